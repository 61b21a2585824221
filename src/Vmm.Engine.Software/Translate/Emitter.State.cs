using System.Runtime.CompilerServices;

namespace Vmm.Engine.Software.Translate;

/// <summary>Accesses to the state, by offset in it; and what only the ways in and out need of vector registers.</summary>
internal sealed unsafe partial class Emitter
{
    // RBP points into the middle of the state, so that more of it is within reach of a byte.
    public const int StateBias = 128;

    public void LoadState(HostRegister to, int offset) => Load(to, HostRegister.Rbp, offset - StateBias);

    public void StoreState(int offset, HostRegister from) => Store(HostRegister.Rbp, offset - StateBias, from);

    public void StoreState32(int offset, int immediate)
    {
        MemoryForm(0xC7, false, 0, HostRegister.Rbp, offset - StateBias);
        Int32(immediate);
    }

    /// <summary>Adds 1 to 64 bits of the state.</summary>
    public void IncrementState(int offset)
    {
        MemoryForm(0x83, true, 0, HostRegister.Rbp, offset - StateBias);
        Byte(1);
    }

    /// <summary>The low 16 bits of a register to the state.</summary>
    public void StoreState16(int offset, HostRegister from)
    {
        Byte(0x66);
        MemoryForm(0x89, false, from, HostRegister.Rbp, offset - StateBias);
    }

    public void StoreStateByte(int offset, int immediate)
    {
        MemoryForm(0xC6, false, 0, HostRegister.Rbp, offset - StateBias);
        Byte(immediate);
    }

    public void OrState32(int offset, int mask)
    {
        MemoryForm(0x81, false, (HostRegister)1, HostRegister.Rbp, offset - StateBias);
        Int32(mask);
    }

    /// <summary>Compares 32 bits of the state with a constant.</summary>
    public void CmpState32(int offset, int immediate)
    {
        bool isShort = (sbyte)immediate == immediate;
        MemoryForm(isShort ? 0x83 : 0x81, false, (HostRegister)7, HostRegister.Rbp, offset - StateBias);
        if (isShort)
        {
            Byte(immediate);
        }
        else
        {
            Int32(immediate);
        }
    }

    /// <summary>Compares 32 bits of the state with a constant, both to be patched: see <see cref="PatchGeneration"/>.</summary>
    public void CmpGeneration()
    {
        Byte(0x81);
        Byte(0xBD);
        Int32(StateOffsets.LocalJumpKey + 4 - StateBias);
        Int32(0);
    }

    /// <summary>Makes the comparison before an offset one with the generation of local or global translations.</summary>
    public void PatchGeneration(int behindComparison, bool global, uint generation)
    {
        int offset = (global ? StateOffsets.GlobalJumpKey : StateOffsets.LocalJumpKey) + 4 - StateBias;
        Unsafe.WriteUnaligned(_base + behindComparison - 8, offset);
        Unsafe.WriteUnaligned(_base + behindComparison - 4, generation);
    }

    /// <summary>Compares a byte of the state with 0.</summary>
    public void CmpStateByte(int offset)
    {
        Byte(0x80);
        ModRm(7, HostRegister.Rbp, offset - StateBias);
        Byte(0);
    }

    public void AndState32(int offset, int mask)
    {
        MemoryForm(0x81, false, (HostRegister)4, HostRegister.Rbp, offset - StateBias);
        Int32(mask);
    }

    /// <summary>TEST of 32 bits of the state.</summary>
    public void TestState32(int offset, int mask)
    {
        MemoryForm(0xF7, false, 0, HostRegister.Rbp, offset - StateBias);
        Int32(mask);
    }

    /// <summary>AX to the state.</summary>
    public void StoreStateAx(int offset)
    {
        Byte(0x66);
        MemoryForm(0x89, false, HostRegister.Rax, HostRegister.Rbp, offset - StateBias);
    }

    /// <summary>EAX from 16 bits of the state.</summary>
    public void LoadStateAx(int offset)
    {
        Byte(0x0F);
        MemoryForm(0xB7, false, HostRegister.Rax, HostRegister.Rbp, offset - StateBias);
    }

    /// <summary>MOVUPS between a vector register and the state.</summary>
    public void VectorState(bool load, int register, int offset)
    {
        Rex(false, register, 0, (int)HostRegister.Rbp);
        Byte(0x0F);
        Byte(load ? 0x10 : 0x11);
        ModRm(register, HostRegister.Rbp, offset - StateBias);
    }

    /// <summary>VMOVUPS between a 256-bit register and the state.</summary>
    public void WideVectorState(bool load, int register, int offset)
    {
        Byte(0xC5);
        Byte(register < 8 ? 0xFC : 0x7C);
        Byte(load ? 0x10 : 0x11);
        ModRm(register, HostRegister.Rbp, offset - StateBias);
    }

    /// <summary>XMM0 from the state, or the two together: VMOVDQU, VPOR.</summary>
    public void GatherVectorState(bool first, int offset)
    {
        Byte(0xC5);
        Byte(first ? 0xFA : 0xF9);
        Byte(first ? 0x6F : 0xEB);
        ModRm(0, HostRegister.Rbp, offset - StateBias);
    }

    /// <summary>VPTEST XMM0, XMM0.</summary>
    public void TestGathered()
    {
        Byte(0xC4);
        Byte(0xE2);
        Byte(0x79);
        Byte(0x17);
        Byte(0xC0);
    }

    public void Vzeroupper()
    {
        Byte(0xC5);
        Byte(0xF8);
        Byte(0x77);
    }

    /// <summary>LDMXCSR or STMXCSR with the state.</summary>
    public void MxcsrState(bool load, int offset)
    {
        Byte(0x0F);
        Byte(0xAE);
        ModRm(load ? 2 : 3, HostRegister.Rbp, offset - StateBias);
    }
}
