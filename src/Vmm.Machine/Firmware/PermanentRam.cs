namespace Vmm.Machine.Firmware;

/// <summary>Shadow memory of a board without a ROM: the RAM always answers.</summary>
internal sealed class PermanentRam : IShadowMemory
{
    public void Set(ulong address, ulong length, ShadowAccess access)
    {
    }
}
