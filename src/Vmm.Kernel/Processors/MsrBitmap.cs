namespace Vmm.Kernel;

/// <summary>
/// The MSR bitmap (SDM Vol. 3C 25.6.9): everything exits but the registers that only the guest uses. Read bits for low
/// MSRs, read bits for high ones, write bits for low ones, write bits for high ones: 1 KiB each.
/// </summary>
internal sealed class MsrBitmap
{
    private const uint HighFirst = 0xC000_0000, MsrsPerRange = 0x2000;
    private const int HighOffset = 1024, WriteOffset = 2048;

    private readonly HostPage _page;

    public MsrBitmap(HostPage page)
    {
        _page = page;
        page.Memory.Span.Fill(0xFF);
        foreach (uint msr in (uint[])[
            Msr.Ia32SysenterCs, Msr.Ia32SysenterEsp, Msr.Ia32SysenterEip, Msr.Ia32Pat, Msr.Ia32Efer, Msr.Ia32Star, Msr.Ia32Lstar,
            Msr.Ia32Cstar, Msr.Ia32Fmask, Msr.Ia32FsBase, Msr.Ia32GsBase, Msr.Ia32KernelGsBase, Msr.Ia32TscAux])
        {
            Set(msr, readExits: false, writeExits: false);
        }

        // Reads need no more than the TSC offset; writes change it.
        Set(Msr.Ia32TimeStampCounter, readExits: false, writeExits: true);
    }

    /// <summary>What goes into the MSR-bitmap address field.</summary>
    public ulong Address => _page.PhysicalAddress;

    /// <summary>Lets the guest reach the local APIC's registers, which the engine has.</summary>
    public void PassApic()
    {
        for (uint msr = 0; msr < MsrsPerRange; msr++)
        {
            if (MsrFile.IsOfApic(msr))
            {
                Set(msr, readExits: false, writeExits: false);
            }
        }
    }

    /// <summary>Makes a register exit: a handler owns it.</summary>
    public void Intercept(uint msr) => Set(msr, readExits: true, writeExits: true);

    private void Set(uint msr, bool readExits, bool writeExits)
    {
        uint index = msr >= HighFirst ? msr - HighFirst : msr;
        if (index >= MsrsPerRange)
        {
            return; // outside both ranges: always exits
        }

        int offset = (msr >= HighFirst ? HighOffset : 0) + (int)(index / 8);
        var bit = (byte)(1 << (int)(index & 7));
        Span<byte> bitmap = _page.Memory.Span;
        bitmap[offset] = (byte)(readExits ? bitmap[offset] | bit : bitmap[offset] & ~bit);
        offset += WriteOffset;
        bitmap[offset] = (byte)(writeExits ? bitmap[offset] | bit : bitmap[offset] & ~bit);
    }
}
