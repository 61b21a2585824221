using System.Runtime.InteropServices;
using Vmm.Engine.Software.Decode;

namespace Vmm.Engine.Software.Translate;

/// <summary>Why translated code came back.</summary>
internal enum NativeExit : ulong
{
    /// <summary>RIP is set; the run loop goes on there.</summary>
    Dispatch = 0,

    /// <summary>As <see cref="Dispatch"/>, from a direct jump that may be linked to the block at RIP: <see cref="LinkSite"/>.</summary>
    Link = 1,

    /// <summary>Instructions are to be interpreted: <see cref="InterpretSite"/>.</summary>
    Interpret = 2,

    /// <summary>As <see cref="Dispatch"/>, from an indirect jump to where no jump-cache entry leads: <see cref="IndirectSite"/>.</summary>
    Indirect = 3,
}

/// <summary>What goes with <see cref="NativeExit.Interpret"/>; the code to go on with follows it.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal unsafe struct InterpretSite
{
    /// <summary>The first one.</summary>
    public Instruction* Instruction;

    /// <summary>How many, or <see cref="ToTheEnd"/>.</summary>
    public byte Count;

    /// <summary>All to the end of the block.</summary>
    public const byte ToTheEnd = byte.MaxValue;
}

/// <summary>What goes with <see cref="NativeExit.Link"/>.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal unsafe struct LinkSite
{
    /// <summary>RIP of the block that the jump leads to.</summary>
    public ulong Target;

    /// <summary>The block that jumps.</summary>
    public Block* From;

    /// <summary>Offset behind the jump.</summary>
    public int BehindJump;

    /// <summary>Offset of the comparison of generations before the jump; 0 for a jump within a page, which needs none.</summary>
    public int Comparison;
}

/// <summary>What goes with <see cref="NativeExit.Indirect"/>.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal unsafe struct IndirectSite
{
    /// <summary>The branch: it faults where the target is not canonical, with RSP as before.</summary>
    public Instruction* Instruction;

    /// <summary>What the branch has added to RSP.</summary>
    public int StackMoved;
}
