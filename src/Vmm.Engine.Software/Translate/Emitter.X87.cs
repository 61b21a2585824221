namespace Vmm.Engine.Software.Translate;

/// <summary>What only x87 state needs, and its transfer.</summary>
internal sealed unsafe partial class Emitter
{
    /// <summary>FXRSTOR64 or FXSAVE64 with an image in the state.</summary>
    public void X87State(bool load, int offset)
    {
        Rex(true, 0, 0, (int)HostRegister.Rbp);
        Byte(0x0F);
        Byte(0xAE);
        ModRm(load ? 1 : 0, HostRegister.Rbp, offset - StateBias);
    }

    /// <summary>FLDCW from the state.</summary>
    public void LoadX87ControlState(int offset)
    {
        Byte(0xD9);
        ModRm(5, HostRegister.Rbp, offset - StateBias);
    }

    public void Emms()
    {
        Byte(0x0F);
        Byte(0x77);
    }

    public void Fninit()
    {
        Byte(0xDB);
        Byte(0xE3);
    }

    public void Fdecstp()
    {
        Byte(0xD9);
        Byte(0xF6);
    }

    public void Fincstp()
    {
        Byte(0xD9);
        Byte(0xF7);
    }

    /// <summary>MOVZX of 16 bits of the state.</summary>
    public void LoadState16(HostRegister to, int offset) => LoadZeroExtended(to, HostRegister.Rbp, offset - StateBias, 2);

    /// <summary>MOVZX of a byte of the state.</summary>
    public void LoadStateByte(HostRegister to, int offset) => LoadZeroExtended(to, HostRegister.Rbp, offset - StateBias, 1);

    /// <summary>A byte to the state, from RAX, RCX, RDX or RBX.</summary>
    public void StoreStateByte(int offset, HostRegister from) => MemoryForm(0x88, false, from, HostRegister.Rbp, offset - StateBias);

    /// <summary>64 bits from the state at an offset and a register.</summary>
    public void LoadStateIndexed(HostRegister to, HostRegister index, int offset) => IndexedStateForm(0x8B, to, index, offset);

    /// <summary>64 bits to the state at an offset and a register.</summary>
    public void StoreStateIndexed(HostRegister index, int offset, HostRegister from) => IndexedStateForm(0x89, from, index, offset);

    public void Not32(HostRegister register) => RegisterForm(0xF7, false, (HostRegister)2, register);

    public void Add32(HostRegister register, int immediate) => ByteImmediateForm(0x83, false, 0, register, immediate);

    public void Cmp32(HostRegister register, int immediate)
    {
        RegisterForm(0x81, false, (HostRegister)7, register);
        Int32(immediate);
    }

    private void IndexedStateForm(int opcode, HostRegister register, HostRegister index, int offset)
    {
        Rex(true, (int)register, (int)index, (int)HostRegister.Rbp);
        Byte(opcode);
        Byte(0x84 | (((int)register & 7) << 3));
        Byte((((int)index & 7) << 3) | (int)HostRegister.Rbp);
        Int32(offset - StateBias);
    }
}
