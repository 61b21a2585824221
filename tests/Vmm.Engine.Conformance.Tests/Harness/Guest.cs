using Iced.Intel;
using Vmm.Engine.Kvm;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>A small guest with its board, and what must come out on any engine.</summary>
internal sealed record Guest(string Name, GuestMode Mode, Action<Assembler> Code)
{
    /// <summary>
    /// Whether the guest needs a processor: KVM without VT-x emulates, and its emulator lacks INT and IRET of protected mode,
    /// x87, most of SSE, data breakpoints, and the end of blocking by NMI.
    /// </summary>
    public bool NeedsHardware { get; init; }

    /// <summary>Puts more into memory and VMCS before the start.</summary>
    public Action<GuestMachine>? Arrange { get; init; }

    /// <summary>The board.</summary>
    public ExitResponse? Respond { get; init; }

    /// <summary>What must have happened.</summary>
    public required Action<GuestMachine> Check { get; init; }

    public override string ToString() => Name;

    /// <summary>Makes the guest on an engine, ready to run.</summary>
    public GuestMachine Make(IVmxEngine engine) => Make(new GuestMachine(engine, Mode));

    /// <summary>Makes the guest on KVM with the local APICs of a certain model.</summary>
    public GuestMachine Make(KvmEngine engine, LocalApicModel apics) => Make(new GuestMachine(engine, Mode, apics));

    private GuestMachine Make(GuestMachine machine)
    {
        machine.Assemble(GuestLayout.Code, code =>
        {
            Code(code);
            End(code, Mode);
        });
        Arrange?.Invoke(machine);
        machine.Respond = Respond;
        return machine;
    }

    /// <summary>Runs the guest on an engine to its end.</summary>
    public GuestMachine Run(IVmxEngine engine)
    {
        GuestMachine machine = Make(engine);
        machine.Run();
        return machine;
    }

    /// <summary>Clears RF in the RFLAGS image that a fault has pushed: <see cref="EngineDifferences.ResumeFlag"/>.</summary>
    public static void ForgetResumeFlag(Assembler code, AssemblerMemoryOperand image) => code.and(image, unchecked((int)0xFFFE_FFFF));

    /// <summary>How a guest says that it is done.</summary>
    public static void End(Assembler code, GuestMode mode)
    {
        if (mode == GuestMode.Long)
        {
            code.mov(AssemblerRegisters.rax, (long)GuestMachine.EndMark);
        }
        else
        {
            code.mov(AssemblerRegisters.eax, (uint)GuestMachine.EndMark);
        }

        code.hlt();
    }
}
