using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>An NVM Express 1.4 controller with one namespace, which is the disk that the backend is.</summary>
[DeviceModel("nvme", Description = "NVM Express disk")]
public sealed class NvmeDevice(NvmeOptions options, IDeviceContext context, IPciSlot slot, IBlockBackend backend)
    : DeviceModel, IPciFunction, IMmioDevice
{
    private const int RegisterBar = 0;
    private const int MessageBar = 4;
    private const ulong RegionLength = 16 * 1024;
    private const ulong DoorbellStride = 4;

    private readonly ControllerRegisters _registers = new();
    private NvmeController? _controller;

    public PciIdentity Identity { get; } = new(
        VendorId: 0x1234, DeviceId: 0x4e56, ClassCode: 0x010802, Revision: 1, SubsystemVendorId: 0x1234, SubsystemId: 0x4e56);

    public override void Attach()
    {
        string serial = options.Serial.Length > 0 ? options.Serial : Printable(context.Name);
        var queues = new QueueSet(options.Queues);
        var identify = new IdentifyData(Identity, serial, () => backend.Geometry, backend is IDiscardableBlock);
        var messages = slot.DeclareMsiX(MessageBar, queues.Vectors);
        slot.DeclareMemoryBar(RegisterBar, RegionLength, AccessWidths.DoubleWord | AccessWidths.QuadWord, this);
        _controller = new NvmeController(
            context, slot, messages, backend, _registers, queues, new FeatureSet(options.Queues), identify);
    }

    public override void Reset(ResetKind kind) => _controller?.Reset();

    public ulong Read(ulong offset, AccessWidth width) => width == AccessWidth.QuadWord
        ? _registers.Read(offset) | (_registers.Read(offset + 4) << 32)
        : _registers.Read(offset);

    public void Write(ulong offset, AccessWidth width, ulong value)
    {
        Write(offset, (uint)value);
        if (width == AccessWidth.QuadWord)
        {
            Write(offset + 4, (uint)(value >> 32));
        }
    }

    public override void Save(IStateWriter state)
    {
        state.Section(1, _registers.Save);
        _controller?.Save(state);
    }

    public override void Restore(IStateReader state)
    {
        state.Section(1, _registers.Restore);
        _controller?.Restore(state);
    }

    private void Write(ulong offset, uint value)
    {
        switch (offset)
        {
            case ControllerRegisters.InterruptMaskSetOffset:
                _controller?.SetInterruptMask(_registers.InterruptMask | value);
                break;
            case ControllerRegisters.InterruptMaskClearOffset:
                _controller?.SetInterruptMask(_registers.InterruptMask & ~value);
                break;
            case ControllerRegisters.ConfigurationOffset:
                _controller?.Configure(value);
                break;
            case ControllerRegisters.AdminAttributesOffset:
                _registers.AdminAttributes = value;
                break;
            case ControllerRegisters.AdminSubmissionOffset:
                _registers.AdminSubmission = WithLow(_registers.AdminSubmission, value);
                break;
            case ControllerRegisters.AdminSubmissionOffset + 4:
                _registers.AdminSubmission = WithHigh(_registers.AdminSubmission, value);
                break;
            case ControllerRegisters.AdminCompletionOffset:
                _registers.AdminCompletion = WithLow(_registers.AdminCompletion, value);
                break;
            case ControllerRegisters.AdminCompletionOffset + 4:
                _registers.AdminCompletion = WithHigh(_registers.AdminCompletion, value);
                break;
            case >= ControllerRegisters.DoorbellsOffset:
                RingDoorbell((int)((offset - ControllerRegisters.DoorbellsOffset) / DoorbellStride), value);
                break;
        }
    }

    private void RingDoorbell(int number, uint value)
    {
        // Bits 31:16 are reserved (3.1.24); a value out of range is out of range with them or without.
        if (number % 2 == 0)
        {
            _controller?.Commands.MoveTail(number / 2, value);
        }
        else
        {
            _controller?.Commands.MoveHead(number / 2, value);
        }
    }

    private static ulong WithLow(ulong register, uint value) => (register & ~(ulong)uint.MaxValue) | value;

    private static ulong WithHigh(ulong register, uint value) => (uint)register | ((ulong)value << 32);

    private static string Printable(string name) =>
        new([.. name.Where(c => c is > ' ' and <= '~').Take(20).DefaultIfEmpty('0')]);
}
