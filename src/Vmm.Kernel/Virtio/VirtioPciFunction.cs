using System.Buffers.Binary;

namespace Vmm.Kernel;

/// <summary>
/// Carries a virtio device over PCI (VIRTIO 1.2, 4.1, without the legacy interface): to the rest of the machine it is the
/// device, to the device it is the way to the driver.
/// </summary>
public sealed class VirtioPciFunction : IDevice, IPciFunction, IStateful, IMmioDevice, IVirtioTransport, IConfigurationWindow
{
    private const ushort VendorId = 0x1AF4, FirstDeviceId = 0x1040;
    private const byte VendorCapability = 0x09, CapabilityLength = 16, LongCapabilityLength = 20;
    private const int RegisterBar = 0, MessageBar = 2;

    // The structures stand on pages of their own in one base-address register.
    private const uint CommonOffset = 0, IsrOffset = 0x1000, DeviceOffset = 0x2000, NotifyOffset = 0x3000, BarLength = 0x4000;
    private const uint NotifyMultiplier = 4;
    private const int MostQueues = 64, LargestQueue = 32768, LargestConfiguration = 4096;

    /// <summary>Base-address register, offset, length and data of the configuration access capability are the guest's.</summary>
    private static ReadOnlySpan<byte> ConfigurationAccessMask =>
        [0, 0, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

    private readonly IDeviceContext _context;
    private IVirtioDevice? _device;
    private PciSlot? _slot;
    private VirtioIdentity _identity;
    private VirtioInterrupts? _interrupts;
    private VirtioLifecycle? _lifecycle;
    private VirtioCommonConfiguration? _common;

    /// <summary>Makes the transport, which the device's constructor may ask for.</summary>
    /// <param name="context">The device's context.</param>
    public VirtioPciFunction(IDeviceContext context) => _context = context;

    private enum Structure : byte
    {
        Common = 1,
        Notify = 2,
        Isr = 3,
        Device = 4,
        ConfigurationAccess = 5,
    }

    /// <inheritdoc/>
    public PciIdentity Identity => new(
        VendorId, (ushort)(FirstDeviceId + _identity.DeviceType), _identity.ClassCode, Revision: 1, VendorId, (ushort)(FirstDeviceId + _identity.DeviceType));

    private VirtioLifecycle Lifecycle => _lifecycle ?? throw new InvalidOperationException("The virtio device is not attached yet.");

    /// <summary>Takes the device, once it is constructed.</summary>
    /// <param name="device">The device.</param>
    public void Carry(IVirtioDevice device)
    {
        _device = device;
        _identity = device.Identity;
    }

    /// <summary>Takes the slot, before <see cref="Attach"/>.</summary>
    /// <param name="slot">The slot of the function.</param>
    public void Plug(PciSlot slot) => _slot = slot;

    /// <inheritdoc/>
    public void Attach()
    {
        if (_device is not { } device || _slot is not { } slot)
        {
            throw new InvalidOperationException("it has no virtio device or no slot");
        }

        CheckIdentity();
        int vectors = _identity.QueueSizes.Count + 1;
        slot.DeclareMemoryBar(RegisterBar, BarLength, AccessWidths.Byte | AccessWidths.Word | AccessWidths.DoubleWord, this);
        _interrupts = new VirtioInterrupts(slot, slot.DeclareMsiX(MessageBar, vectors), vectors);
        _lifecycle = new VirtioLifecycle(device, _identity, _context, slot, _interrupts);
        _common = new VirtioCommonConfiguration(_lifecycle, _interrupts);
        slot.DeclareWindow(VendorCapability, Capability(Structure.ConfigurationAccess, 0, 0), ConfigurationAccessMask, this);
        Declare(Structure.Common, CommonOffset, VirtioCommonConfiguration.Length);
        Declare(Structure.Notify, NotifyOffset, NotifyMultiplier * (uint)_identity.QueueSizes.Count);
        Declare(Structure.Isr, IsrOffset, 1);
        if (_identity.ConfigurationLength > 0)
        {
            Declare(Structure.Device, DeviceOffset, (uint)_identity.ConfigurationLength);
        }

        for (int queue = 0; queue < _identity.QueueSizes.Count; queue++)
        {
            int index = queue;
            Action notify = () => _lifecycle.Notify(index);
            slot.DeclareNotification(RegisterBar, NotifyOffset + (NotifyMultiplier * (uint)index), AccessWidth.Word, () => _context.Post(notify));
        }

        ((IDevice)device).Attach();
    }

    /// <inheritdoc/>
    public void Reset(ResetKind kind)
    {
        _common?.Reset();
        _lifecycle?.Reset(kind);
    }

    /// <inheritdoc/>
    public ulong Read(ulong offset, AccessWidth width) => offset switch
    {
        < CommonOffset + VirtioCommonConfiguration.Length => _common!.Read((uint)offset),
        IsrOffset => _interrupts!.TakeStatus(),
        >= DeviceOffset and < NotifyOffset when HasConfiguration((uint)offset - DeviceOffset, width) => _device!.ReadConfiguration((uint)offset - DeviceOffset, width),
        _ => 0,
    };

    /// <inheritdoc/>
    public void Write(ulong offset, AccessWidth width, ulong value)
    {
        switch (offset)
        {
            case < CommonOffset + VirtioCommonConfiguration.Length:
                _common!.Write((uint)offset, width, (uint)value);
                break;
            case >= DeviceOffset and < NotifyOffset when HasConfiguration((uint)offset - DeviceOffset, width):
                _device!.WriteConfiguration((uint)offset - DeviceOffset, width, value);
                break;
            case >= NotifyOffset:
                // The address says which queue; the value repeats it (4.1.5.2).
                _lifecycle!.Notify((int)((offset - NotifyOffset) / NotifyMultiplier));
                break;
        }
    }

    /// <inheritdoc/>
    public void NotifyConfigurationChanged() => Lifecycle.NotifyConfigurationChanged();

    /// <inheritdoc/>
    public void RequireReset(string reason) => Lifecycle.RequireReset(reason);

    /// <inheritdoc/>
    public void Save(IStateWriter state)
    {
        if (_device is IStateful device)
        {
            state.Section(1, device.Save);
        }

        state.Section(2, Lifecycle.Save);
        state.Section(3, _interrupts!.Save);
        state.Section(4, _common!.Save);
    }

    /// <inheritdoc/>
    public void Restore(IStateReader state)
    {
        if (_device is IStateful device)
        {
            state.Section(1, device.Restore);
        }

        state.Section(3, _interrupts!.Restore);
        state.Section(4, _common!.Restore);
        state.Section(2, Lifecycle.Restore);
    }

    private void CheckIdentity()
    {
        IReadOnlyList<int> sizes = _identity.QueueSizes ?? [];
        string? problem =
            _identity.DeviceType is 0 or > 0xFBF ? $"its type {_identity.DeviceType} is not from 1 to 0xFBF"
            : (_identity.Features & ~VirtioFeatures.OfDevices) != 0 ? $"its features 0x{_identity.Features:x} are not all of bits 0 to 23 and 50 to 63"
            : _identity.ConfigurationLength is < 0 or > LargestConfiguration ? $"its configuration space has {_identity.ConfigurationLength} bytes, not 0 to {LargestConfiguration}"
            : sizes.Count is < 1 or > MostQueues ? $"it has {sizes.Count} queues, not 1 to {MostQueues}"
            : sizes.Any(size => size is < 1 or > LargestQueue || !System.Numerics.BitOperations.IsPow2(size)) ? $"a queue size of {string.Join(", ", sizes)} is not a power of two up to {LargestQueue}"
            : null;
        if (problem is not null)
        {
            throw new InvalidOperationException($"its virtio identity is impossible: {problem}");
        }
    }

    /// <inheritdoc/>
    uint IConfigurationWindow.Read(ReadOnlySpan<byte> capability)
    {
        uint value = 0;
        if (TryPoint(capability, out uint offset, out AccessWidth width))
        {
            _slot!.Owner.Run("configuration access", () => value = (uint)Read(offset, width));
        }

        return value;
    }

    /// <inheritdoc/>
    void IConfigurationWindow.Write(ReadOnlySpan<byte> capability)
    {
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(capability[^4..]);
        if (TryPoint(capability, out uint offset, out AccessWidth width))
        {
            _slot!.Owner.Run("configuration access", () => Write(offset, width, value & (uint.MaxValue >> (32 - (8 * (int)width)))));
        }
    }

    /// <summary>What the guest made the configuration access capability point to (4.1.4.9): an aligned register of the base-address register.</summary>
    private static bool TryPoint(ReadOnlySpan<byte> capability, out uint offset, out AccessWidth width)
    {
        offset = BinaryPrimitives.ReadUInt32LittleEndian(capability[8..]);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(capability[12..]);
        width = (AccessWidth)length;
        return capability[4] == RegisterBar && (length is 1 or 2 or 4) && offset % length == 0 && offset < BarLength;
    }

    private bool HasConfiguration(uint offset, AccessWidth width) => offset + (uint)width <= (uint)_identity.ConfigurationLength;

    private void Declare(Structure structure, uint offset, uint length) => _slot!.DeclareCapability(VendorCapability, Capability(structure, offset, length));

    /// <summary>The body of a capability that says where a structure is (4.1.4), behind id and next pointer.</summary>
    private static byte[] Capability(Structure structure, uint offset, uint length)
    {
        bool longer = structure is Structure.Notify or Structure.ConfigurationAccess;
        byte[] capability = new byte[longer ? LongCapabilityLength : CapabilityLength];
        capability[2] = (byte)capability.Length;
        capability[3] = (byte)structure;
        capability[4] = RegisterBar;
        BinaryPrimitives.WriteUInt32LittleEndian(capability.AsSpan(8), offset);
        BinaryPrimitives.WriteUInt32LittleEndian(capability.AsSpan(12), length);
        if (structure == Structure.Notify)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(capability.AsSpan(16), NotifyMultiplier);
        }

        return capability[2..];
    }
}
