namespace Vmm.Vmx;

/// <summary>What a control capability MSR allows (SDM Vol. 3D A.2).</summary>
/// <param name="MustBeOne">Bits that cannot be zero.</param>
/// <param name="MayBeOne">Bits that can be one.</param>
internal readonly record struct AllowedControls(uint MustBeOne, uint MayBeOne)
{
    /// <summary>Reads the TRUE MSR where IA32_VMX_BASIC[55] says that there is one, else the plain MSR; an absent MSR allows no control.</summary>
    public static AllowedControls From(VmxCapabilities capabilities, uint msr, uint? trueMsr = null)
    {
        bool hasTrue = (capabilities.Msrs[Msr.Ia32VmxBasic] & VmxBasic.TrueControls) != 0;
        uint number = hasTrue && trueMsr is uint other ? other : msr;
        ulong value = capabilities.Msrs.GetValueOrDefault(number);
        return new((uint)value, (uint)(value >> 32));
    }

    /// <summary>Whether a control field obeys.</summary>
    public bool Allow(ulong controls) => (controls & MustBeOne) == MustBeOne && (controls & ~(ulong)MayBeOne) == 0;
}
