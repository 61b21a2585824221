using System.Buffers.Binary;
using System.Numerics;

namespace Vmm.Kernel;

/// <summary>
/// One PCI function: its configuration space (PCI Local Bus Specification 3.0, chapter 6), base-address registers and
/// interrupt pin. The device declares; the guest programs; the claims follow.
/// </summary>
public sealed partial class PciSlot : IPciSlot
{
    private const int CommandOffset = 0x04, StatusOffset = 0x06, BarOffset = 0x10, CapabilitiesPointer = 0x34, InterruptLineOffset = 0x3C;
    private const ushort PortDecode = 1, MemoryDecode = 2, BusMaster = 4, InterruptDisable = 0x400;
    private const byte CapabilitiesList = 0x10, InterruptStatus = 0x08;
    private const int BarCount = 6, FirstCapability = 0x40, ConfigurationSize = 4096;

    private readonly VirtualMachine _machine;
    private readonly byte[] _space = new byte[ConfigurationSize];
    private readonly byte[] _writable = new byte[ConfigurationSize];
    private readonly PciBar?[] _bars = new PciBar?[BarCount];
    private readonly int _interruptPin;
    private readonly GatedLine _pin;
    private readonly Lock _lock = new();
    private int _nextCapability = FirstCapability;
    private MsiX? _msiX;
    private (IConfigurationWindow Registers, int Offset, int Length)? _window;

    internal PciSlot(VirtualMachine machine, PciAddress address, DeviceInstance owner, int interruptPin, int interruptLine)
    {
        _machine = machine;
        _interruptPin = interruptPin;
        Address = address;
        Owner = owner;
        InterruptLine = interruptLine;
        _pin = new GatedLine(interruptPin == 0 ? null : new DeviceLine(machine.Interrupts.Line(interruptLine, $"{owner.Name}/INTx#"), owner), SetInterruptStatus);
        SetWritable(CommandOffset, PortDecode | MemoryDecode | BusMaster | InterruptDisable, 2);
        SetWritable(InterruptLineOffset, 0xFF, 1);
        SetWritable(0x0C, 0xFF, 1); // cache line size: read-write without effect (6.2.4)
        Reset();
    }

    /// <inheritdoc/>
    public PciAddress Address { get; }

    /// <summary>Line of the interrupt fabric that the pin is wired to; for ACPI tables.</summary>
    public int InterruptLine { get; }

    /// <summary>1 for INTA# to 4 for INTD#, 0 for none.</summary>
    public int InterruptPinNumber => _interruptPin;

    /// <inheritdoc/>
    public bool BusMasterEnabled => (Command & BusMaster) != 0;

    /// <inheritdoc/>
    public IInterruptLine InterruptPin => _pin;

    internal DeviceInstance Owner { get; }

    /// <summary>The messages of the function; null where it declares none.</summary>
    internal IMessageInterrupts? Messages => _msiX;

    internal VirtualMachine Machine => _machine;

    private ushort Command => BinaryPrimitives.ReadUInt16LittleEndian(_space.AsSpan(CommandOffset));

    /// <inheritdoc/>
    public void DeclareMemoryBar(int index, ulong length, AccessWidths widths, IMmioDevice handler, bool is64Bit = true)
    {
        CheckBar(index, length, 16, 1UL << 40, is64Bit ? 2 : 1);
        IRegionClaim claim = _machine.Mmio.Claim(Owner, $"BAR{index}", 0, length, widths, handler, enabled: false);
        AddBar(index, new PciBar(claim, length, isPort: false, is64Bit));
    }

    /// <inheritdoc/>
    public void DeclarePortBar(int index, int length, AccessWidths widths, IPortDevice handler)
    {
        CheckBar(index, (ulong)length, 4, 256, 1);
        IRegionClaim claim = _machine.Ports.Claim(Owner, $"BAR{index}", 0, length, widths, handler, enabled: false);
        AddBar(index, new PciBar(claim, (ulong)length, isPort: true, is64Bit: false));
    }

    /// <inheritdoc/>
    public IMessageInterrupts DeclareMsiX(int barIndex, int vectors)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vectors, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vectors, MsiX.MaximumVectors);
        if (_msiX is not null)
        {
            throw new InvalidOperationException($"{Owner} declares MSI-X twice.");
        }

        _msiX = new MsiX(_machine.Interrupts, vectors, () => _pin.Muted = IsPinMuted, _machine.Apics.Engine);
        DeclareMemoryBar(barIndex, MsiX.RegionLength(vectors), AccessWidths.DoubleWord | AccessWidths.QuadWord, _msiX, is64Bit: false);
        Span<byte> body = stackalloc byte[10];
        BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)(vectors - 1));
        BinaryPrimitives.WriteUInt32LittleEndian(body[2..], (uint)barIndex);
        BinaryPrimitives.WriteUInt32LittleEndian(body[6..], MsiX.PendingOffset(vectors) | (uint)barIndex);
        int offset = AddCapability(MsiX.CapabilityId, body);
        _msiX.ControlOffset = offset + 2;
        SetWritable(offset + 2, MsiX.EnableBit | MsiX.FunctionMaskBit, 2);
        return _msiX;
    }

    /// <inheritdoc/>
    public void DeclareCapability(byte capabilityId, ReadOnlySpan<byte> body) => AddCapability(capabilityId, body);

    /// <summary>Adds a capability whose last double word is a window to registers of the function.</summary>
    /// <param name="capabilityId">Capability id.</param>
    /// <param name="body">The bytes after id and next pointer.</param>
    /// <param name="writable">Which bits of them the guest may write.</param>
    /// <param name="registers">What is behind the window; called without the device's gate.</param>
    internal void DeclareWindow(byte capabilityId, ReadOnlySpan<byte> body, ReadOnlySpan<byte> writable, IConfigurationWindow registers)
    {
        int offset = AddCapability(capabilityId, body);
        writable.CopyTo(_writable.AsSpan(offset + 2));
        _window = (registers, offset, body.Length + 2);
    }

    /// <summary>Says that writes to a register in a memory base-address register are notifications: an engine may take them without an exit.</summary>
    /// <param name="barIndex">The base-address register.</param>
    /// <param name="offset">The register in it.</param>
    /// <param name="width">Width of the writes; others reach the device as before.</param>
    /// <param name="written">Called instead of the device, from any thread.</param>
    internal void DeclareNotification(int barIndex, ulong offset, AccessWidth width, Action written)
    {
        if (_machine.Apics.Engine is { } engine && _bars[barIndex]?.Claim is RegionClaim claim)
        {
            claim.MappingChanged += new WriteNotification(engine, offset, width, written).Follow;
        }
    }

    internal uint ReadConfiguration(int offset, int width)
    {
        if (offset + width > ConfigurationSize || Owner.Faulted)
        {
            return uint.MaxValue >> (32 - (8 * width));
        }

        if (WindowAt(offset, width) is { } window)
        {
            uint behind = window.Registers.Read(_space.AsSpan(window.Offset, window.Length));
            BinaryPrimitives.WriteUInt32LittleEndian(_space.AsSpan(window.Offset + window.Length - 4), behind);
        }

        lock (_lock)
        {
            uint value = 0;
            for (int i = 0; i < width; i++)
            {
                value |= (uint)_space[offset + i] << (8 * i);
            }

            return value;
        }
    }

    internal void WriteConfiguration(int offset, int width, uint value)
    {
        if (offset + width > ConfigurationSize || Owner.Faulted)
        {
            return;
        }

        lock (_lock)
        {
            for (int i = 0; i < width; i++, value >>= 8)
            {
                byte mask = _writable[offset + i];
                _space[offset + i] = (byte)((_space[offset + i] & ~mask) | ((byte)value & mask));
            }

            Apply(offset, width);
        }

        if (WindowAt(offset, width) is { } window)
        {
            window.Registers.Write(_space.AsSpan(window.Offset, window.Length));
        }
    }

    internal void Reset()
    {
        lock (_lock)
        {
            for (int i = 0; i < ConfigurationSize; i++)
            {
                _space[i] &= (byte)~_writable[i];
            }

            Apply(0, ConfigurationSize);
        }
    }

    /// <summary>Fills the read-only header once the device exists (6.2.1).</summary>
    internal void SetIdentity(PciIdentity identity, bool multifunction)
    {
        Span<byte> space = _space;
        BinaryPrimitives.WriteUInt16LittleEndian(space, identity.VendorId);
        BinaryPrimitives.WriteUInt16LittleEndian(space[2..], identity.DeviceId);
        BinaryPrimitives.WriteUInt32LittleEndian(space[8..], (identity.ClassCode << 8) | identity.Revision);
        space[0x0E] = (byte)(multifunction ? 0x80 : 0);
        BinaryPrimitives.WriteUInt16LittleEndian(space[0x2C..], identity.SubsystemVendorId);
        BinaryPrimitives.WriteUInt16LittleEndian(space[0x2E..], identity.SubsystemId);
        space[0x3D] = (byte)_interruptPin;
    }

    internal void AssignResources(ref ulong memory, ulong memoryEnd, ref ushort port)
    {
        uint command = 0;
        for (int index = 0; index < BarCount; index++)
        {
            if (_bars[index] is not { } bar)
            {
                continue;
            }

            ulong next = bar.IsPort ? port : memory;
            ulong address = (next + bar.Length - 1) & ~(bar.Length - 1);
            if (address + bar.Length > (bar.IsPort ? 0x10000UL : memoryEnd))
            {
                throw new InvalidOperationException($"The PCI window has no room for BAR{index} of {Owner} (0x{bar.Length:x} bytes).");
            }

            WriteConfiguration(BarOffset + (4 * index), 4, (uint)address);
            if (bar.IsPort)
            {
                port = (ushort)(address + bar.Length);
                command |= PortDecode;
            }
            else
            {
                memory = address + bar.Length;
                command |= MemoryDecode;
            }
        }

        WriteConfiguration(InterruptLineOffset, 1, (uint)InterruptLine);
        WriteConfiguration(CommandOffset, 2, Command | command);
    }

    private (IConfigurationWindow Registers, int Offset, int Length)? WindowAt(int offset, int width) =>
        _window is { } window && offset < window.Offset + window.Length && offset + width > window.Offset + window.Length - 4 ? window : null;

    private bool IsPinMuted => (Command & InterruptDisable) != 0 || _msiX is { Enabled: true };

    private void Apply(int offset, int width)
    {
        if (offset < BarOffset + (4 * BarCount) && offset + width > CommandOffset)
        {
            for (int index = 0; index < BarCount; index++)
            {
                _bars[index]?.Program(_space.AsSpan(BarOffset + (4 * index)), (Command & (_bars[index]!.IsPort ? PortDecode : MemoryDecode)) != 0);
            }

            _pin.Muted = IsPinMuted;
        }

        if (_msiX is { } msiX && offset < msiX.ControlOffset + 2 && offset + width > msiX.ControlOffset)
        {
            msiX.Control = BinaryPrimitives.ReadUInt16LittleEndian(_space.AsSpan(msiX.ControlOffset));
        }
    }

    private void AddBar(int index, PciBar bar)
    {
        _bars[index] = bar;
        BinaryPrimitives.WriteUInt32LittleEndian(_space.AsSpan(BarOffset + (4 * index)), bar.TypeBits);
        ulong mask = ~(bar.Length - 1);
        SetWritable(BarOffset + (4 * index), (uint)mask, 4);
        if (bar.Is64Bit)
        {
            SetWritable(BarOffset + (4 * index) + 4, (uint)(mask >> 32), 4);
        }
    }

    private void CheckBar(int index, ulong length, ulong minimum, ulong maximum, int registers)
    {
        bool free = index >= 0 && index + registers <= BarCount;
        for (int i = 0; free && i < BarCount; i++)
        {
            free = _bars[i] is not { } other || i + (other.Is64Bit ? 2 : 1) <= index || i >= index + registers;
        }

        if (!free || !BitOperations.IsPow2(length) || length < minimum || length > maximum)
        {
            throw new ArgumentException($"{Owner} declares BAR{index} with 0x{length:x} bytes: it is taken, beyond 5, or not a power of two from {minimum} to {maximum}.");
        }
    }

    private int AddCapability(byte id, ReadOnlySpan<byte> body)
    {
        int offset = _nextCapability;
        if (offset + 2 + body.Length > 0x100)
        {
            throw new InvalidOperationException($"{Owner} declares more capabilities than fit in 256 bytes of configuration space.");
        }

        _space[offset] = id;
        _space[offset + 1] = _space[CapabilitiesPointer];
        body.CopyTo(_space.AsSpan(offset + 2));
        _space[CapabilitiesPointer] = (byte)offset;
        _space[StatusOffset] |= CapabilitiesList;
        _nextCapability = (offset + 2 + body.Length + 3) & ~3;
        return offset;
    }

    private void SetWritable(int offset, uint mask, int width)
    {
        for (int i = 0; i < width; i++)
        {
            _writable[offset + i] = (byte)(mask >> (8 * i));
        }
    }

    private void SetInterruptStatus(bool asserted) =>
        _space[StatusOffset] = (byte)(asserted ? _space[StatusOffset] | InterruptStatus : _space[StatusOffset] & ~InterruptStatus);
}
