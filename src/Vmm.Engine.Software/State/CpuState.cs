using System.Runtime.InteropServices;
using Vmm.Vmx;

namespace Vmm.Engine.Software.State;

/// <summary>
/// The whole register state of one logical processor, at fixed offsets in unmanaged memory. Interpreter and translated
/// code work on it alike, through one pointer.
/// </summary>
/// <remarks>
/// Invariants: the block is 64-byte-aligned, zeroed at creation, and lives as long as its
/// <see cref="LogicalProcessor"/>. <see cref="Zero"/> is never written. All members but <see cref="EventPending"/>
/// belong to the thread that runs the processor.
/// </remarks>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CpuState
{
    // General registers in encoding order, then a register that is always zero: the absent base or index of an address.
    public GuestRegisters Gpr;
    public ulong Zero;

    /// <summary>Offset in the code segment of the next instruction to run. In sync between blocks and during exits only.</summary>
    public ulong Rip;

    // The six arithmetic flags, unevaluated; see ArithmeticFlags.
    public ulong FlagResult;
    public ulong FlagCarries;

    /// <summary>The other bits of RFLAGS at their own places (bit 1 set, arithmetic flags clear).</summary>
    public ulong SystemFlags;

    /// <summary>Set by any thread (and by handlers) when the run loop must look up from its work before the next block.</summary>
    public int EventPending;

    /// <summary>What distinguishes decoded blocks of one address (mode, default sizes, single step). Kept up to date by whoever changes mode.</summary>
    public uint BlockMode;

    // TLB tables of the current privilege level and SMAP state; see Memory.Tlb.
    public Memory.TlbEntry* ReadTlb;
    public Memory.TlbEntry* WriteTlb;

    /// <summary>
    /// What <see cref="ReadTlb"/> and <see cref="WriteTlb"/> become when the privilege changes: pairs for supervisors with
    /// EFLAGS.AC set, without, and for users; see <see cref="Memory.TlbPrivilege"/>.
    /// </summary>
    public fixed ulong PrivilegeTlbs[6];

    /// <summary>Base addresses for address generation, by <see cref="SegmentRegister"/>; index <see cref="FlatSegment"/> is always zero.</summary>
    public fixed ulong SegmentBase[8];

    /// <summary>Index in <see cref="SegmentBase"/> whose base is always zero: ES, CS, SS and DS in 64-bit mode.</summary>
    public const int FlatSegment = 7;

    // What an entry of the jump cache must carry to hold now: BlockMode below, a generation of translations above.
    // One for translations of the current address space, one for global ones.
    public ulong LocalJumpKey;
    public ulong GlobalJumpKey;

    /// <summary>The jump cache; see <see cref="Decode.JumpCache"/>.</summary>
    public Decode.JumpEntry* Jumps;

    // Between translated code and its caller; see Translate.Trampolines.
    public ulong NativeFlags;
    public ulong ExitSite;

    /// <summary>Not 0: vector registers and MXCSR are in the host's; translated code only.</summary>
    public uint VectorsLoaded;

    /// <summary>Not 0: x87 and MMX state is in the host's; translated code only. See <see cref="Translate.X87Transfer"/>.</summary>
    public uint X87Loaded;

    // Segment registers with hidden parts, in VMCS order.
    public SegmentCache Es;
    public SegmentCache Cs;
    public SegmentCache Ss;
    public SegmentCache Ds;
    public SegmentCache Fs;
    public SegmentCache Gs;
    public SegmentCache Ldtr;
    public SegmentCache Tr;
    public ulong GdtrBase;
    public ulong IdtrBase;
    public ushort GdtrLimit;
    public ushort IdtrLimit;

    /// <summary>Current privilege level: DPL of SS, kept separately because it is asked so often.</summary>
    public byte Cpl;

    /// <summary>Blocking after STI or MOV SS for one instruction (interruptibility bits 0 and 1), NMI blocking in bit 3.</summary>
    public byte Interruptibility;

    /// <summary>Activity state (SDM Vol. 3C 25.4.2): 0 active, 1 HLT, 2 shutdown, 3 wait-for-SIPI.</summary>
    public byte Activity;

    /// <summary>Not 0: an exit follows each instruction ("monitor trap flag", SDM Vol. 3C 26.5.2).</summary>
    public byte TrapsInstructions;

    /// <summary>Not 0: "interrupt-window exiting". What may set IF has to look for interrupts.</summary>
    public byte AwaitsInterruptWindow;

    /// <summary>RF was set when the instruction that runs now began: it ends with the instruction.</summary>
    public byte ResumeFlagEnds;

    public ulong Cr0;
    public ulong Cr2;
    public ulong Cr3;
    public ulong Cr4;
    public ulong Cr8;
    public ulong Xcr0;
    public fixed ulong Dr[8];
    public ulong Pdpte0;
    public ulong Pdpte1;
    public ulong Pdpte2;
    public ulong Pdpte3;

    // Model-specific registers that instructions use.
    public ulong Efer;
    public ulong Star;
    public ulong Lstar;
    public ulong Cstar;
    public ulong Fmask;
    public ulong KernelGsBase;
    public ulong SysenterCs;
    public ulong SysenterEsp;
    public ulong SysenterEip;
    public ulong Pat;
    public ulong TscAux;
    public ulong TscOffset;
    public ulong MiscEnable;
    public ulong DebugCtl;
    public ulong PendingDebugExceptions;

    // The exception that a handler raised, for the run loop to deliver.
    public uint FaultErrorCode;
    public ExceptionVector FaultVector;
    public byte FaultHasErrorCode;

    /// <summary>The fault is of an IRET that ended blocking by NMI; cleared on delivery.</summary>
    public byte FaultUnblocksNmi;
    public ulong FaultAddress;

    /// <summary>Causes of a #DB that is a fault, at their places in DR6; cleared on delivery.</summary>
    public ulong FaultDebugCauses;

    // x87 and MMX. Physical registers, not stack-relative; MMX registers alias the significands.
    public ushort FpuControl;
    public ushort FpuStatus;      // without TOP
    public byte FpuTop;           // 0 to 7
    public byte FpuTagsEmpty;     // bit n set: physical register n is empty
    public ushort FpuLastOpcode;
    public ulong FpuLastInstruction;
    public ulong FpuLastData;
    public ushort FpuLastCs;
    public ushort FpuLastDs;
    public uint Mxcsr;
    private fixed ulong _fpu[16];

    // 16 vector registers of 64 bytes each, so that wider ones can follow without a new layout. 
    private fixed ulong _vectors[16 * 8];

    // Between the x87 state above and the host's, for FXSAVE and FXRSTOR; what lies there means nothing in between.
    private fixed ulong _x87Image[(512 + 8) / 8];

    /// <summary>Guest instructions run, by whole blocks.</summary>
    public ulong InstructionsRetired;

    /// <summary>The instruction being run; null between instructions (event delivery). The slow paths take RIP and the operand's segment from it.</summary>
    public Decode.Instruction* CurrentInstruction;

    /// <summary>Where slow paths leave results for their inlined callers: an <c>out</c> parameter would force those to keep the value in memory.</summary>
    public fixed ulong SlowResult[8];

    /// <summary>An <see cref="Execute.ProcessorPhase"/>; <see cref="Execute.PhaseClock"/> reads it from another thread.</summary>
    public int Phase;

    /// <summary>Times that a translated block began, where they are counted.</summary>
    public ulong BlocksRun;

    /// <summary>GCHandle of the <see cref="LogicalProcessor"/>.</summary>
    public nint Owner;

    /// <summary>Byte offset of a general register, for decoded operands.</summary>
    public static int GprOffset(int register) => register * 8;

    /// <summary>Byte offset of <see cref="Zero"/>.</summary>
    public const int ZeroOffset = 16 * 8;

    /// <summary>Byte offset of a vector register.</summary>
    public static readonly int VectorOffset = (int)Marshal.OffsetOf<CpuState>(nameof(_vectors));

    /// <summary>Bytes from one vector register to the next.</summary>
    public const int VectorStride = 64;

    /// <summary>Byte offset of physical x87 register 0 (and MMX register 0).</summary>
    public static readonly int FpuOffset = (int)Marshal.OffsetOf<CpuState>(nameof(_fpu));

    /// <summary>Bytes from one x87 register to the next: 64-bit significand, 16-bit sign and exponent, padding.</summary>
    public const int FpuStride = 16;

    /// <summary>Byte offset of 512 bytes at a multiple of 16.</summary>
    public static readonly int X87ImageOffset = ((int)Marshal.OffsetOf<CpuState>(nameof(_x87Image)) + 15) & ~15;

    /// <summary>Byte offset of the segment register with a given number.</summary>
    public static readonly int SegmentOffset = (int)Marshal.OffsetOf<CpuState>(nameof(Es));
}

/// <summary>A segment register with its hidden part; access rights in VMCS form (SDM Vol. 3C table 25-2).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SegmentCache
{
    public ulong Base;
    public uint Limit;
    public uint AccessRights;
    public ushort Selector;

    /// <summary>Bit 16 of the access rights: loaded with a null selector.</summary>
    public readonly bool IsUnusable => (AccessRights & 0x1_0000) != 0;

    /// <summary>D/B: default operand size of code, stack-pointer size of SS, upper bound of expand-down data.</summary>
    public readonly bool IsDefaultBig => (AccessRights & 0x4000) != 0;

    /// <summary>L: 64-bit code.</summary>
    public readonly bool IsLong => (AccessRights & 0x2000) != 0;

    /// <summary>DPL.</summary>
    public readonly int PrivilegeLevel => (int)(AccessRights >> 5) & 3;

    /// <summary>Segment type, bits 3:0.</summary>
    public readonly int Type => (int)AccessRights & 15;
}
