using Vmm.Sdk;

namespace Vmm.Plugins.CoprocessorError;

/// <summary>
/// The latch between FERR# and IRQ 13 (SDM Vol. 1 8.7.2, figure 8-11): an x87 error sets it, a write to port 0xF0 clears it.
/// </summary>
[DeviceModel("coprocessor-error", Description = "x87 errors as IRQ 13 (ports 0xF0 and 0xF1)")]
public sealed class CoprocessorErrorDevice(IDeviceContext context, IFloatingPointErrorPin pin) : DeviceModel, IPortDevice
{
    private const int Irq = 13;

    private IInterruptLine _line = null!;
    private bool _latched;

    public override void Attach()
    {
        // Port 0xF1 resets a coprocessor that has a chip of its own; the latch goes with it.
        context.Ports.Claim("coprocessor-error", 0xF0, 2, AccessWidths.Byte, this);
        _line = context.Interrupts.Line("coprocessor-error", Irq);
        pin.Connect(() => SetLatched(true));
    }

    public override void Reset(ResetKind kind) => SetLatched(false);

    public ulong Read(uint offset, AccessWidth width) => 0xFF;

    public void Write(uint offset, AccessWidth width, ulong value) => SetLatched(false);

    public override void Save(IStateWriter state) => state.UInt8(1, _latched ? (byte)1 : (byte)0);

    public override void Restore(IStateReader state) => SetLatched(state.UInt8(1) != 0);

    private void SetLatched(bool latched)
    {
        _latched = latched;
        _line.Set(latched);
    }
}
