using System.Runtime.Intrinsics.X86;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// The code between the run loop and translations: entering them, and the ways out. A way out stores the guest's
/// registers and returns to the run loop with an <see cref="NativeExit"/>; those that are called read what goes with
/// it behind the call.
/// </summary>
internal sealed class Trampolines
{
    private const int DefaultMxcsr = 0x1F80;
    private const int ExceptionMasks = 0x1F80;

    private static readonly HostRegister[] Saved =
        [HostRegister.Rbx, HostRegister.Rbp, HostRegister.R12, HostRegister.R13, HostRegister.R14, HostRegister.R15];

    private readonly Emitter _emitter;

    public Trampolines(Emitter emitter)
    {
        _emitter = emitter;
        EmitEnter();
        int leave = EmitLeave();
        DispatchToAddress = EmitExit(NativeExit.Dispatch, StateOffsets.Rip, leave);
        Interpret = EmitCalledExit(NativeExit.Interpret, leave);
        Link = EmitCalledExit(NativeExit.Link, leave);
        EmitIndirect(leave);
        EmitDispatch();
        EmitNotTranslated();
        EmitLoadVectors();
        LoadX87 = X87Transfer.EmitLoad(emitter);
    }

    /// <summary>Entry from C#: <c>NativeExit (CpuState*, byte* target)</c>.</summary>
    public int Enter { get; private set; }

    /// <summary>Jumped to: the guest goes on at the address in R11.</summary>
    public int DispatchToAddress { get; }

    /// <summary>Called, with an <see cref="InterpretSite"/> behind the call and the code to go on with behind that.</summary>
    public int Interpret { get; }

    /// <summary>Called, with a <see cref="LinkSite"/> behind the call.</summary>
    public int Link { get; }

    /// <summary>Called with the target in R11, and an <see cref="IndirectSite"/> behind the call.</summary>
    public int Indirect { get; private set; }

    /// <summary>Called, with the guest address to go on at behind the call.</summary>
    public int Dispatch { get; private set; }

    /// <summary>Jumped to with a jump-cache entry in RAX whose block has no translation.</summary>
    public int NotTranslated { get; private set; }

    /// <summary>Called: loads vector registers and MXCSR; ZF clear when MXCSR does not mask all exceptions and they were not.</summary>
    public int LoadVectors { get; private set; }

    /// <summary>Called: loads x87 state; ZF clear when the control word does not mask all exceptions and it was not.</summary>
    public int LoadX87 { get; }

    private void EmitEnter()
    {
        Enter = _emitter.Position;
        foreach (HostRegister register in Saved)
        {
            _emitter.Push(register);
        }

        _emitter.Mov(HostRegister.Rax, HostRegister.Rsi);
        _emitter.Lea(HostRegister.Rbp, HostRegister.Rdi, HostRegister.None, 0, Emitter.StateBias);
        for (int guest = 0; guest < RegisterMap.Count; guest++)
        {
            if (RegisterMap.Of(guest) is var host and not HostRegister.None)
            {
                _emitter.LoadState(host, CpuState.GprOffset(guest));
            }
        }

        _emitter.JmpIndirect(HostRegister.Rax);
    }

    // EAX says why.
    private int EmitLeave()
    {
        int start = _emitter.Position;
        for (int guest = 0; guest < RegisterMap.Count; guest++)
        {
            if (RegisterMap.Of(guest) is var host and not HostRegister.None)
            {
                _emitter.StoreState(CpuState.GprOffset(guest), host);
            }
        }

        X87Transfer.EmitStore(_emitter);
        _emitter.CmpState32(StateOffsets.VectorsLoaded, 0);
        int done = _emitter.Jcc(HostCondition.Equal);
        for (int register = 0; register < 16; register++)
        {
            EmitVector(load: false, Avx.IsSupported, register);
        }

        if (Avx.IsSupported)
        {
            _emitter.Vzeroupper();
        }

        _emitter.MxcsrState(load: false, StateOffsets.Mxcsr);
        _emitter.StoreState32(StateOffsets.VectorsLoaded, 0);
        EmitDefaultMxcsr();
        _emitter.Bind(done);
        foreach (HostRegister register in Saved.Reverse())
        {
            _emitter.Pop(register);
        }

        _emitter.Ret();
        return start;
    }

    // The host's own code expects it.
    private void EmitDefaultMxcsr()
    {
        _emitter.Byte(0x68); // PUSH imm32
        _emitter.Int32(DefaultMxcsr);
        _emitter.Byte(0x0F); // LDMXCSR [RSP]
        _emitter.Byte(0xAE);
        _emitter.Byte(0x14);
        _emitter.Byte(0x24);
        _emitter.Pop(HostRegister.R11);
    }

    private int EmitExit(NativeExit exit, int offset, int leave)
    {
        int start = _emitter.Position;
        _emitter.StoreState(offset, HostRegister.R11);
        _emitter.MovImmediate(HostRegister.Rax, (ulong)exit);
        _emitter.Jmp(leave);
        return start;
    }

    private int EmitCalledExit(NativeExit exit, int leave)
    {
        int start = _emitter.Position;
        _emitter.Pop(HostRegister.R11);
        EmitExit(exit, StateOffsets.ExitSite, leave);
        return start;
    }

    private void EmitIndirect(int leave)
    {
        Indirect = _emitter.Position;
        _emitter.Pop(HostRegister.Rax);
        _emitter.StoreState(StateOffsets.ExitSite, HostRegister.Rax);
        EmitExit(NativeExit.Indirect, StateOffsets.Rip, leave);
    }

    private void EmitDispatch()
    {
        Dispatch = _emitter.Position;
        _emitter.Pop(HostRegister.R11);
        _emitter.Load(HostRegister.R11, HostRegister.R11, 0);
        _emitter.Jmp(DispatchToAddress);
    }

    private void EmitNotTranslated()
    {
        NotTranslated = _emitter.Position;
        _emitter.Load(HostRegister.R11, HostRegister.Rax, 0);
        _emitter.Jmp(DispatchToAddress);
    }

    // An exception that MXCSR does not mask would be the host's.
    private void EmitLoadVectors()
    {
        LoadVectors = _emitter.Position;
        _emitter.Load32(HostRegister.Rax, HostRegister.Rbp, StateOffsets.Mxcsr - Emitter.StateBias);
        _emitter.RegisterForm(0xF7, false, (HostRegister)2, HostRegister.Rax); // NOT
        _emitter.Byte(0xA9); // TEST EAX, imm32
        _emitter.Int32(ExceptionMasks);
        int refused = _emitter.Jcc(HostCondition.NotEqual);
        EmitLoadVectorRegisters();
        _emitter.MxcsrState(load: true, StateOffsets.Mxcsr);
        _emitter.StoreState32(StateOffsets.VectorsLoaded, 1);
        _emitter.RegisterForm(0x33, false, HostRegister.Rax, HostRegister.Rax);
        _emitter.Bind(refused);
        _emitter.Ret();
    }

    // Upper halves that are all zero are cleared and not loaded: SSE instructions are slower while the host holds some in use.
    private void EmitLoadVectorRegisters()
    {
        if (!Avx.IsSupported)
        {
            EmitLoadVectorRegisters(wide: false);
            return;
        }

        for (int register = 0; register < 16; register++)
        {
            _emitter.GatherVectorState(register == 0, CpuState.VectorOffset + register * CpuState.VectorStride + 16);
        }

        _emitter.TestGathered();
        int narrow = _emitter.Jcc(HostCondition.Equal);
        EmitLoadVectorRegisters(wide: true);
        int done = _emitter.Jmp();
        _emitter.Bind(narrow);
        _emitter.Vzeroupper();
        EmitLoadVectorRegisters(wide: false);
        _emitter.Bind(done);
    }

    private void EmitLoadVectorRegisters(bool wide)
    {
        for (int register = 0; register < 16; register++)
        {
            EmitVector(load: true, wide, register);
        }
    }

    private void EmitVector(bool load, bool wide, int register)
    {
        int offset = CpuState.VectorOffset + register * CpuState.VectorStride;
        if (wide)
        {
            _emitter.WideVectorState(load, register, offset);
        }
        else
        {
            _emitter.VectorState(load, register, offset);
        }
    }
}
