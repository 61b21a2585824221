namespace Vmm.Vmx;

/// <summary>Bits of IA32_VMX_BASIC (SDM Vol. 3D A.1).</summary>
public static class VmxBasic
{
    /// <summary>Bits 30:0: VMCS revision identifier.</summary>
    public const ulong RevisionMask = 0x7FFF_FFFF;

    /// <summary>Bit 54: exits for INS and OUTS carry instruction information.</summary>
    public const ulong StringInstructionInformation = 1ul << 54;

    /// <summary>Bit 55: the TRUE control MSRs exist.</summary>
    public const ulong TrueControls = 1ul << 55;

    /// <summary>Bit 56: hardware exceptions may be injected with or without an error code, whatever the vector.</summary>
    public const ulong AnyErrorCodeInjection = 1ul << 56;
}
