using System.Runtime.InteropServices;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Decode;

/// <summary>
/// A run of decoded instructions with one entry, at one place in memory. Its instructions follow it in memory; the last
/// one ends the block whatever happens.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 192)]
internal unsafe struct Block
{
    /// <summary>Offset in the code segment of the first instruction.</summary>
    public ulong Rip;

    /// <summary>Host address of the first byte: the same for all guest-physical names of a page.</summary>
    public ulong Place;

    /// <summary>Host page of the rest when the (only) instruction crosses a page, else <see cref="NoPage"/>.</summary>
    public ulong SecondPage;

    /// <summary>The <see cref="BlockMode"/> that it was decoded for; <see cref="BlockMode.None"/> once it is gone.</summary>
    public uint Mode;

    /// <summary>As <see cref="Mode"/>, but for good.</summary>
    public uint DecodedMode;

    /// <summary>CS limit that it was decoded for, in a <see cref="BlockMode.Limited"/> mode.</summary>
    public uint CodeLimit;

    /// <summary>Length in bytes.</summary>
    public ushort Length;

    /// <summary>Entries in the array of instructions.</summary>
    public ushort SlotCount;

    /// <summary>Whether it ends in a way that cannot change mode or privilege: its successors in the same page may be linked.</summary>
    public byte Linkable;

    /// <summary>Times that it was interpreted; see Translate.TieredExecution.</summary>
    public uint Heat;

    /// <summary>Its translation to host code, or null.</summary>
    public byte* Native;

    // Host addresses of code outside of the block that its translation relies on: flags that it overwrites are not kept.
    public ulong AheadStart;
    public ulong AheadEnd;

    // The blocks that were last seen to follow.
    public Block* Successor;
    public Block* OtherSuccessor;

    // Lists of the cache.
    public Block* NextInBucket;
    public Block* NextInPage;
    public Block* NextInSecondPage;

    public const ulong NoPage = ulong.MaxValue;

    /// <summary>The first instruction of a block.</summary>
    public static Instruction* First(Block* block) => (Instruction*)(block + 1);

    /// <summary>Handler of the end of a block that no branch ends, and of all instructions of a block that is gone.</summary>
    public static Outcome End(CpuState* s, Instruction* i)
    {
        s->Rip = i->Rip;
        return Outcome.Branch;
    }

    /// <summary>Makes a block end before an instruction.</summary>
    public static void Cut(Instruction* i)
    {
        i->Execute = &End;
        i->Weight = 0;
    }

    /// <summary>Handler of an instruction longer than 15 bytes (SDM Vol. 3B 23.24, table 6-2).</summary>
    public static Outcome TooLong(CpuState* s, Instruction* i) => Faults.GeneralProtection(s);
}
