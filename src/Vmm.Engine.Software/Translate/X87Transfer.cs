using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// The code that moves x87 and MMX state between <see cref="CpuState"/> and the host's registers, by FXRSTOR and FXSAVE (half
/// the time of FRSTOR and FNSAVE, or of XRSTOR with x87 state alone). The state has its registers by physical number, the
/// image by their place in the stack.
/// </summary>
/// <remarks>
/// Invariants: <see cref="CpuState.X87Loaded"/> is not 0 only while translated code runs. All ways out of it go through one
/// place, which stores the state and leaves the host's x87 as C# and C code expect it: control word 37Fh, all registers
/// empty. While it is loaded its control word masks all exceptions, so that the host gets none and none is pending; and its
/// pointers are the host's: only <see cref="BlockTranslator"/> writes the guest's.
/// </remarks>
internal static class X87Transfer
{
    private const int ExceptionMasks = 0x3F;
    private const int DefaultControl = 0x37F;
    private const int DefaultMxcsr = 0x1F80;
    private const int TopShift = 11;
    private const int StatusWithoutTop = 0xC7FF;
    private const int Registers = 8;

    // In the image of FXSAVE (SDM Vol. 1 table 10-2).
    private static readonly int Control = CpuState.X87ImageOffset;
    private static readonly int Status = CpuState.X87ImageOffset + 2;
    private static readonly int Tags = CpuState.X87ImageOffset + 4;
    private static readonly int Mxcsr = CpuState.X87ImageOffset + 24;
    private static readonly int Stack = CpuState.X87ImageOffset + 32;

    /// <summary>
    /// Emits a function that loads the state; all registers but RAX are kept. ZF clear: an exception is unmasked, nothing was loaded.
    /// </summary>
    public static int EmitLoad(Emitter emitter)
    {
        int start = emitter.Position;
        emitter.LoadState16(HostRegister.Rax, StateOffsets.X87Control);
        emitter.Not32(HostRegister.Rax);
        emitter.TestLow(HostRegister.Rax, ExceptionMasks);
        int refused = emitter.Jcc(HostCondition.NotEqual);
        EmitKeepVectors(emitter);
        emitter.Push(HostRegister.Rcx);
        emitter.LoadState16(HostRegister.Rax, StateOffsets.X87Control);
        emitter.StoreStateAx(Control);
        emitter.LoadStateByte(HostRegister.Rax, StateOffsets.X87TagsEmpty);
        emitter.Not32(HostRegister.Rax);
        emitter.StoreStateByte(Tags, HostRegister.Rax);
        emitter.LoadStateByte(HostRegister.Rcx, StateOffsets.X87Top);
        emitter.LoadState16(HostRegister.Rax, StateOffsets.X87Status);
        emitter.ShiftLeft32(HostRegister.Rcx, TopShift);
        emitter.RegisterForm(0x0B, false, HostRegister.Rax, HostRegister.Rcx); // OR
        emitter.StoreStateAx(Status);
        emitter.ShiftRight32(HostRegister.Rcx, TopShift - 4);
        for (int n = 0; n < Registers; n++)
        {
            emitter.LoadStateIndexed(HostRegister.Rax, HostRegister.Rcx, CpuState.FpuOffset);
            emitter.StoreState(Stack + n * 16, HostRegister.Rax);
            emitter.LoadStateIndexed(HostRegister.Rax, HostRegister.Rcx, CpuState.FpuOffset + 8);
            emitter.StoreState(Stack + n * 16 + 8, HostRegister.Rax);
            EmitNext(emitter, HostRegister.Rcx);
        }

        emitter.X87State(load: true, CpuState.X87ImageOffset);
        emitter.Pop(HostRegister.Rcx);
        emitter.StoreState32(StateOffsets.X87Loaded, 1);
        emitter.RegisterForm(0x33, false, HostRegister.Rax, HostRegister.Rax);
        emitter.Bind(refused);
        emitter.Ret();
        return start;
    }

    /// <summary>Emits what stores the state if it is loaded. RAX is kept, and of the others those that a callee saves.</summary>
    public static void EmitStore(Emitter emitter)
    {
        emitter.CmpState32(StateOffsets.X87Loaded, 0);
        int done = emitter.Jcc(HostCondition.Equal);
        emitter.StoreState32(StateOffsets.X87Loaded, 0);
        emitter.X87State(load: false, CpuState.X87ImageOffset);
        emitter.LoadState16(HostRegister.Rcx, Control);
        emitter.StoreState16(StateOffsets.X87Control, HostRegister.Rcx);
        EmitReset(emitter);
        emitter.LoadStateByte(HostRegister.Rcx, Tags);
        emitter.Not32(HostRegister.Rcx);
        emitter.StoreStateByte(StateOffsets.X87TagsEmpty, HostRegister.Rcx);
        emitter.LoadState16(HostRegister.Rcx, Status);
        emitter.Mov32(HostRegister.Rdx, HostRegister.Rcx);
        emitter.And32(HostRegister.Rdx, StatusWithoutTop);
        emitter.StoreState16(StateOffsets.X87Status, HostRegister.Rdx);
        emitter.ShiftRight32(HostRegister.Rcx, TopShift);
        emitter.And32(HostRegister.Rcx, Registers - 1);
        emitter.StoreStateByte(StateOffsets.X87Top, HostRegister.Rcx);
        emitter.ShiftLeft32(HostRegister.Rcx, 4);
        for (int n = 0; n < Registers; n++)
        {
            emitter.LoadState(HostRegister.Rdx, Stack + n * 16);
            emitter.StoreStateIndexed(HostRegister.Rcx, CpuState.FpuOffset, HostRegister.Rdx);
            emitter.LoadState16(HostRegister.Rdx, Stack + n * 16 + 8);
            emitter.StoreStateIndexed(HostRegister.Rcx, CpuState.FpuOffset + 8, HostRegister.Rdx);
            EmitNext(emitter, HostRegister.Rcx);
        }

        emitter.Bind(done);
    }

    // FXRSTOR loads vector registers and MXCSR too: they must be in the image, or be nobody's.
    private static void EmitKeepVectors(Emitter emitter)
    {
        emitter.CmpState32(StateOffsets.VectorsLoaded, 0);
        int inUse = emitter.Jcc(HostCondition.NotEqual);
        emitter.StoreState32(Mxcsr, DefaultMxcsr);
        int done = emitter.Jmp();
        emitter.Bind(inUse);
        emitter.X87State(load: false, CpuState.X87ImageOffset);
        emitter.Bind(done);
    }

    // ECX: the guest's control word. EMMS, which takes a tenth of FNINIT's time, leaves that word alone.
    private static void EmitReset(Emitter emitter)
    {
        emitter.Cmp32(HostRegister.Rcx, DefaultControl);
        int other = emitter.Jcc(HostCondition.NotEqual);
        emitter.Emms();
        int done = emitter.Jmp();
        emitter.Bind(other);
        emitter.Fninit();
        emitter.Bind(done);
    }

    // Offset of the next physical register.
    private static void EmitNext(Emitter emitter, HostRegister offset)
    {
        emitter.Add32(offset, CpuState.FpuStride);
        emitter.And32(offset, (Registers - 1) * CpuState.FpuStride);
    }
}
