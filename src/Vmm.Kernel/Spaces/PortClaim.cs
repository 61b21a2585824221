namespace Vmm.Kernel;

/// <summary>A region of ports with its registers.</summary>
internal sealed class PortClaim(
    PortSpace space, DeviceInstance owner, string name, ushort port, int length, AccessWidths widths, IPortDevice handler)
    : RegionClaim(name, owner, port, (ulong)length, widths)
{
    /// <summary>Whether the registers take the access in one piece.</summary>
    public bool Accepts(ushort port, int width) => ((int)Widths & width) != 0 && (ulong)(port + width - 1) <= Last;

    public uint Read(ushort port, int width)
    {
        uint ones = uint.MaxValue >> (32 - (8 * width));
        lock (Owner.Gate)
        {
            if (!Answers(port, width))
            {
                return ones;
            }

            try
            {
                return (uint)handler.Read((uint)(port - First), (AccessWidth)width) & ones;
            }
            catch (Exception e)
            {
                Owner.Fault($"a {width}-byte read of port 0x{port:x} (region '{Name}')", e);
                return ones;
            }
        }
    }

    public void Write(ushort port, int width, uint value)
    {
        lock (Owner.Gate)
        {
            if (!Answers(port, width))
            {
                return;
            }

            try
            {
                handler.Write((uint)(port - First), (AccessWidth)width, value);
            }
            catch (Exception e)
            {
                Owner.Fault($"a {width}-byte write of port 0x{port:x} (region '{Name}')", e);
            }
        }
    }

    protected override bool Map() => space.Map(this, noteConflict: false);

    protected override void Unmap() => space.Unmap(this);
}
