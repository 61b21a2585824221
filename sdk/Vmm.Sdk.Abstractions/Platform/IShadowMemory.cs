namespace Vmm.Sdk;

/// <summary>
/// RAM below 1 MiB, C0000h to FFFFFh, that a host bridge shows in the place of the firmware's ROM, such as by the PAM
/// registers of the Intel 82441FX. A constructor parameter of host bridges. On a board without firmware the RAM always
/// shows. Callable from any thread; takes effect for the next access.
/// </summary>
public interface IShadowMemory
{
    /// <summary>Says what answers in a range.</summary>
    /// <param name="address">First guest-physical address, a multiple of 16 KiB from C0000h.</param>
    /// <param name="length">Length in bytes, a multiple of 16 KiB.</param>
    /// <param name="access">Which accesses reach the RAM.</param>
    void Set(ulong address, ulong length, ShadowAccess access);
}

/// <summary>Which accesses to shadowed addresses reach the RAM; the bit numbers are those of a PAM register's half.</summary>
[Flags]
public enum ShadowAccess
{
    /// <summary>None: the bus answers, with the ROM where there is one.</summary>
    None = 0,

    /// <summary>Reads; without <see cref="Write"/> the RAM cannot be changed.</summary>
    Read = 1,

    /// <summary>Writes; without <see cref="Read"/> a host may let them vanish, as if the range were <see cref="None"/>.</summary>
    Write = 2,
}
