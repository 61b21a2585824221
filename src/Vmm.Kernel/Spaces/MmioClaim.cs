namespace Vmm.Kernel;

/// <summary>A region of guest-physical addresses with its registers.</summary>
internal sealed class MmioClaim(
    MmioSpace space, DeviceInstance owner, string name, ulong address, ulong length, AccessWidths widths, IMmioDevice handler)
    : RegionClaim(name, owner, address, length, widths)
{
    /// <summary>Whether the registers take the access in one piece: implemented width, aligned, wholly inside.</summary>
    public bool Accepts(ulong address, int width)
    {
        ulong offset = address - First;
        return ((int)Widths & width) != 0 && (offset & (ulong)(width - 1)) == 0 && offset < Length && (ulong)width <= Length - offset;
    }

    /// <summary>Whether an access that is not accepted goes on as two halves: it is wider than some implemented width.</summary>
    public bool Splits(int width) => ((int)Widths & (width - 1)) != 0;

    public ulong Read(ulong address, int width)
    {
        ulong ones = ulong.MaxValue >> (64 - (8 * width));
        lock (Owner.Gate)
        {
            if (!Answers(address, width))
            {
                return ones;
            }

            try
            {
                return handler.Read(address - First, (AccessWidth)width) & ones;
            }
            catch (Exception e)
            {
                Owner.Fault($"a {width}-byte read of address 0x{address:x} (region '{Name}')", e);
                return ones;
            }
        }
    }

    public void Write(ulong address, int width, ulong value)
    {
        lock (Owner.Gate)
        {
            if (!Answers(address, width))
            {
                return;
            }

            try
            {
                handler.Write(address - First, (AccessWidth)width, value);
            }
            catch (Exception e)
            {
                Owner.Fault($"a {width}-byte write of address 0x{address:x} (region '{Name}')", e);
            }
        }
    }

    protected override bool Map() => space.Map(this, noteConflict: false);

    protected override void Unmap() => space.Unmap(this);
}
