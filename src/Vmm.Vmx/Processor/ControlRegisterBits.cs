namespace Vmm.Vmx;

/// <summary>Bits of CR0 (SDM Vol. 3A 2.5).</summary>
[Flags]
public enum Cr0Bits : ulong
{
    None = 0,
    Pe = 1ul << 0,
    Mp = 1ul << 1,
    Em = 1ul << 2,
    Ts = 1ul << 3,
    Et = 1ul << 4,
    Ne = 1ul << 5,
    Wp = 1ul << 16,
    Am = 1ul << 18,
    Nw = 1ul << 29,
    Cd = 1ul << 30,
    Pg = 1ul << 31,
}

/// <summary>Bits of CR4 (SDM Vol. 3A 2.5).</summary>
[Flags]
public enum Cr4Bits : ulong
{
    None = 0,
    Vme = 1ul << 0,
    Pvi = 1ul << 1,
    Tsd = 1ul << 2,
    De = 1ul << 3,
    Pse = 1ul << 4,
    Pae = 1ul << 5,
    Mce = 1ul << 6,
    Pge = 1ul << 7,
    Pce = 1ul << 8,
    Osfxsr = 1ul << 9,
    Osxmmexcpt = 1ul << 10,
    Umip = 1ul << 11,
    La57 = 1ul << 12,
    Vmxe = 1ul << 13,
    Smxe = 1ul << 14,
    Fsgsbase = 1ul << 16,
    Pcide = 1ul << 17,
    Osxsave = 1ul << 18,
    Kl = 1ul << 19,
    Smep = 1ul << 20,
    Smap = 1ul << 21,
    Pke = 1ul << 22,
    Cet = 1ul << 23,
    Pks = 1ul << 24,
    Uintr = 1ul << 25,
}

/// <summary>Bits of IA32_EFER (SDM Vol. 3A 2.2.1).</summary>
[Flags]
public enum EferBits : ulong
{
    None = 0,
    Sce = 1ul << 0,
    Lme = 1ul << 8,
    Lma = 1ul << 10,
    Nxe = 1ul << 11,
}

/// <summary>Bits of RFLAGS (SDM Vol. 1 3.4.3).</summary>
[Flags]
public enum RflagsBits : ulong
{
    None = 0,
    Cf = 1ul << 0,

    /// <summary>Bit 1, always one.</summary>
    Fixed1 = 1ul << 1,

    Pf = 1ul << 2,
    Af = 1ul << 4,
    Zf = 1ul << 6,
    Sf = 1ul << 7,
    Tf = 1ul << 8,
    If = 1ul << 9,
    Df = 1ul << 10,
    Of = 1ul << 11,

    /// <summary>I/O privilege level, bits 13:12.</summary>
    Iopl = 3ul << 12,

    Nt = 1ul << 14,
    Rf = 1ul << 16,
    Vm = 1ul << 17,
    Ac = 1ul << 18,
    Vif = 1ul << 19,
    Vip = 1ul << 20,
    Id = 1ul << 21,
}

/// <summary>Bits of DR6 (SDM Vol. 3B 18.2.3).</summary>
[Flags]
public enum Dr6Bits : ulong
{
    None = 0,
    B0 = 1ul << 0,
    B1 = 1ul << 1,
    B2 = 1ul << 2,
    B3 = 1ul << 3,
    Bd = 1ul << 13,
    Bs = 1ul << 14,
    Bt = 1ul << 15,

    /// <summary>Bits that read as one on processors without bus-lock detection and RTM.</summary>
    Fixed1 = 0xFFFF_0FF0,
}

/// <summary>Bits of DR7 (SDM Vol. 3B 18.2.4).</summary>
[Flags]
public enum Dr7Bits : ulong
{
    None = 0,
    L0 = 1ul << 0,
    G0 = 1ul << 1,
    L1 = 1ul << 2,
    G1 = 1ul << 3,
    L2 = 1ul << 4,
    G2 = 1ul << 5,
    L3 = 1ul << 6,
    G3 = 1ul << 7,
    Le = 1ul << 8,
    Ge = 1ul << 9,

    /// <summary>Bit 10, always one.</summary>
    Fixed1 = 1ul << 10,

    Gd = 1ul << 13,
}
