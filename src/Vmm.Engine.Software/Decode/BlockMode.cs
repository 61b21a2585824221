using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Decode;

/// <summary>
/// What a decoded block depends on besides its bytes and its offset, in one word: two blocks at one place with equal
/// words are interchangeable.
/// </summary>
internal static unsafe class BlockMode
{
    public const uint Code16 = 0;
    public const uint Code32 = 1;
    public const uint Code64 = 2;
    public const uint SizeMask = 3;

    /// <summary>The limit of CS is below 4 GiB: fetches are checked, and blocks hold for one limit only.</summary>
    public const uint Limited = 1 << 2;

    /// <summary>Bit n of this field: accesses through segment register n need the checks of <c>SegmentedAddress</c>.</summary>
    public const int CheckedShift = 3;

    /// <summary>CPL is 3: fetch rights differ.</summary>
    public const uint User = 1 << 9;

    /// <summary>RFLAGS.TF was set when the instruction started.</summary>
    public const uint SingleStep = 1 << 10;

    /// <summary>The instruction runs in the shadow of STI or of a load of SS.</summary>
    public const uint Shadow = 1 << 11;

    /// <summary>DR7 enables a breakpoint.</summary>
    public const uint Breakpoints = 1 << 12;

    /// <summary>The caller wants one instruction.</summary>
    public const uint Isolated = 1 << 13;

    // CR0.MP, EM and TS, and CR4.OSFXSR clear: which of x87, MMX and SSE instructions fault; see ExtensionUse.
    public const uint MonitorCoprocessor = 1 << 14;
    public const uint Emulation = 1 << 15;
    public const uint TaskSwitched = 1 << 16;
    public const uint NoSse = 1 << 17;

    /// <summary>Real-address or virtual-8086 mode: VEX-encoded instructions do not exist (SDM Vol. 2A 2.3).</summary>
    public const uint NoVex = 1 << 18;

    /// <summary>CR4.OSXSAVE is clear, or XCR0 does not enable SSE and AVX state.</summary>
    public const uint NoAvx = 1 << 19;

    private const int CoprocessorShift = 13;
    private const ulong AvxState = 6;

    /// <summary>Any of these: blocks of one instruction.</summary>
    public const uint Single = SingleStep | Shadow | Breakpoints | Isolated;

    /// <summary>No mode: the block is gone.</summary>
    public const uint None = uint.MaxValue;

    private const uint ProtectedMode = (uint)Cr0Bits.Pe;
    private const ulong LongModeActive = (ulong)EferBits.Lma;

    /// <summary>
    /// Brings <see cref="CpuState.BlockMode"/> up to date; to be called after any change of CS, SS, DS, ES, FS, GS
    /// (outside 64-bit mode), CR0, CR4.OSFXSR and OSXSAVE, XCR0, EFER.LMA, RFLAGS.TF and VM, DR7, CPL or the interrupt
    /// shadow.
    /// </summary>
    public static void Update(CpuState* s)
    {
        uint mode = s->Cpl == 3 ? User : 0;
        mode |= (uint)(s->Cr0 & (ulong)(Cr0Bits.Mp | Cr0Bits.Em | Cr0Bits.Ts)) << CoprocessorShift;
        if ((s->Cr4 & (ulong)Cr4Bits.Osfxsr) == 0)
        {
            mode |= NoSse;
        }

        if ((s->Cr4 & (ulong)Cr4Bits.Osxsave) == 0 || (s->Xcr0 & AvxState) != AvxState)
        {
            mode |= NoAvx;
        }

        if (ProcessorMode.UsesParagraphs(s))
        {
            mode |= NoVex;
        }

        if ((s->SystemFlags & (ulong)RflagsBits.Tf) != 0)
        {
            mode |= SingleStep;
        }

        if ((s->Interruptibility & 3) != 0)
        {
            mode |= Shadow;
        }

        if ((s->Dr[7] & 0xFF) != 0)
        {
            mode |= Breakpoints;
        }

        if (s->TrapsInstructions != 0)
        {
            mode |= Isolated;
        }

        mode |= (s->Efer & LongModeActive) != 0 && s->Cs.IsLong ? Code64 : Legacy(s);
        s->BlockMode = mode;
        s->LocalJumpKey = (s->LocalJumpKey & ~(ulong)uint.MaxValue) | mode;
        s->GlobalJumpKey = (s->GlobalJumpKey & ~(ulong)uint.MaxValue) | mode;
    }

    private static uint Legacy(CpuState* s)
    {
        uint mode = s->Cs.IsDefaultBig ? Code32 : Code16;
        if (s->Cs.Limit != uint.MaxValue)
        {
            mode |= Limited;
        }

        SegmentCache* segment = &s->Es;
        for (int n = 0; n < 6; n++)
        {
            if (n == (int)SegmentRegister.Cs || (s->Cr0 & ProtectedMode) == 0 || !IsFlat(segment + n))
            {
                mode |= 1u << (CheckedShift + n);
            }
        }

        return mode;
    }

    // Usable, base 0, limit 4 GiB - 1, expand-up data that may be written (SDM Vol. 3A 3.4.5.1).
    private static bool IsFlat(SegmentCache* segment) =>
        segment->Base == 0 && segment->Limit == uint.MaxValue && (segment->AccessRights & 0x1_001E) == 0x12;
}
