namespace Vmm.Kernel.Tests;

/// <summary>x87 errors of guests with CR0.NE clear (SDM Vol. 1 8.7.2).</summary>
public sealed class FloatingPointErrorTests : IDisposable
{
    private const ulong Intercepted = 1UL << (int)ExceptionVector.X87FloatingPoint;

    private static readonly VmExit Kick = new() { Reason = ExitReason.ExternalInterrupt };
    private static readonly VmExit Error = new()
    {
        Reason = ExitReason.ExceptionOrNmi,
        InterruptionInformation = InterruptionInformation.HardwareException(ExceptionVector.X87FloatingPoint).Value,
    };

    private readonly TestBench _bench = new();
    private int _asserted;

    private FakeProcessor Processor => _bench.Processor;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void An_error_asserts_the_pin_and_the_processor_waits_before_its_instruction()
    {
        Start(connect: true);
        Assert.Equal(Intercepted, Processor[VmcsField.ExceptionBitmap]);
        Processor[VmcsField.GuestRip] = 0x1000;
        Assert.Equal(VmExitAction.Leave, Processor.RunExit(Error).Action);
        Assert.Equal(1, _asserted);
        Assert.Equal(0x1000UL, Processor[VmcsField.GuestRip]);
    }

    [Fact]
    public void A_guest_that_sets_NE_gets_the_exception_itself()
    {
        Start(connect: true);
        SetCr0(Cr0Bits.Ne);
        Assert.Equal(0UL, Processor[VmcsField.ExceptionBitmap]);
        SetCr0(Cr0Bits.None);
        Assert.Equal(Intercepted, Processor[VmcsField.ExceptionBitmap]);
    }

    [Fact]
    public void Without_a_device_at_the_pin_errors_stay_exceptions()
    {
        Start(connect: false);
        Assert.Equal(0UL, Processor[VmcsField.ExceptionBitmap]);
    }

    [Fact]
    public void A_device_that_throws_at_an_error_is_faulted()
    {
        DeviceContext context = _bench.AddDevice("bad", _ => new TestDevice());
        _bench.Machine.FloatingPointErrors.PinFor(context).Connect(() => throw new InvalidOperationException("boom"));
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Processor.RunExit(Error);
        Assert.True(context.Instance.Faulted);
    }

    private void Start(bool connect)
    {
        DeviceContext context = _bench.AddDevice("latch", _ => new TestDevice());
        IFloatingPointErrorPin pin = _bench.Machine.FloatingPointErrors.PinFor(context);
        if (connect)
        {
            pin.Connect(() =>
            {
                Assert.True(context.Instance.Gate.IsHeldByCurrentThread);
                _asserted++;
            });
        }

        _bench.Machine.Start();
        Processor.RunExit(Kick);
    }

    private void SetCr0(Cr0Bits value)
    {
        Processor.Registers.Rax = (ulong)(value | Cr0Bits.Et);
        Processor.RunExit(new VmExit
        {
            Reason = ExitReason.ControlRegisterAccess, Qualification = ControlRegisterQualification.MovTo(0, 0).Value, InstructionLength = 3,
        });
    }
}
