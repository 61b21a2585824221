namespace Vmm.Vmx;

/// <summary>Numbers of model-specific registers (SDM Vol. 4 ch. 2).</summary>
public static class Msr
{
    public const uint Ia32P5McAddr = 0x0;
    public const uint Ia32P5McType = 0x1;
    public const uint Ia32TimeStampCounter = 0x10;
    public const uint Ia32PlatformId = 0x17;
    public const uint Ia32ApicBase = 0x1B;
    public const uint Ia32FeatureControl = 0x3A;
    public const uint Ia32TscAdjust = 0x3B;
    public const uint Ia32SpecCtrl = 0x48;
    public const uint Ia32PredCmd = 0x49;
    public const uint Ia32BiosUpdateTrigger = 0x79;
    public const uint Ia32BiosSignId = 0x8B;
    public const uint PlatformInfo = 0xCE;
    public const uint Ia32Mperf = 0xE7;
    public const uint Ia32Aperf = 0xE8;
    public const uint Ia32Mtrrcap = 0xFE;
    public const uint Ia32ArchCapabilities = 0x10A;
    public const uint Ia32FlushCmd = 0x10B;
    public const uint MiscFeatureEnables = 0x140;
    public const uint Ia32SysenterCs = 0x174;
    public const uint Ia32SysenterEsp = 0x175;
    public const uint Ia32SysenterEip = 0x176;
    public const uint Ia32McgCap = 0x179;
    public const uint Ia32McgStatus = 0x17A;
    public const uint Ia32McgCtl = 0x17B;
    public const uint Ia32PerfEvtSel0 = 0x186;
    public const uint Ia32PerfStatus = 0x198;
    public const uint Ia32PerfCtl = 0x199;
    public const uint Ia32ThermStatus = 0x19C;
    public const uint Ia32MiscEnable = 0x1A0;
    public const uint Ia32EnergyPerfBias = 0x1B0;
    public const uint Ia32Debugctl = 0x1D9;
    public const uint LastBranchFromIp = 0x1DB;
    public const uint LastBranchToIp = 0x1DC;
    public const uint LastExceptionFromIp = 0x1DD;
    public const uint LastExceptionToIp = 0x1DE;

    /// <summary>IA32_MTRR_PHYSBASE0; base and mask of range n are at 0x200 + 2n and 0x201 + 2n.</summary>
    public const uint Ia32MtrrPhysBase0 = 0x200;

    public const uint Ia32MtrrPhysMask0 = 0x201;
    public const uint Ia32MtrrFix64K00000 = 0x250;
    public const uint Ia32MtrrFix16K80000 = 0x258;
    public const uint Ia32MtrrFix16KA0000 = 0x259;

    /// <summary>IA32_MTRR_FIX4K_C0000, the first of eight.</summary>
    public const uint Ia32MtrrFix4KC0000 = 0x268;

    public const uint Ia32MtrrFix4KF8000 = 0x26F;
    public const uint Ia32Pat = 0x277;
    public const uint Ia32MtrrDefType = 0x2FF;
    public const uint Ia32PerfGlobalCtrl = 0x38F;

    /// <summary>IA32_MC0_CTL; bank n has CTL, STATUS, ADDR and MISC from 0x400 + 4n.</summary>
    public const uint Ia32Mc0Ctl = 0x400;

    public const uint Ia32VmxBasic = 0x480;
    public const uint Ia32VmxPinbasedCtls = 0x481;
    public const uint Ia32VmxProcbasedCtls = 0x482;
    public const uint Ia32VmxExitCtls = 0x483;
    public const uint Ia32VmxEntryCtls = 0x484;
    public const uint Ia32VmxMisc = 0x485;
    public const uint Ia32VmxCr0Fixed0 = 0x486;
    public const uint Ia32VmxCr0Fixed1 = 0x487;
    public const uint Ia32VmxCr4Fixed0 = 0x488;
    public const uint Ia32VmxCr4Fixed1 = 0x489;
    public const uint Ia32VmxVmcsEnum = 0x48A;
    public const uint Ia32VmxProcbasedCtls2 = 0x48B;
    public const uint Ia32VmxEptVpidCap = 0x48C;
    public const uint Ia32VmxTruePinbasedCtls = 0x48D;
    public const uint Ia32VmxTrueProcbasedCtls = 0x48E;
    public const uint Ia32VmxTrueExitCtls = 0x48F;
    public const uint Ia32VmxTrueEntryCtls = 0x490;
    public const uint Ia32VmxVmfunc = 0x491;

    public const uint Ia32DsArea = 0x600;
    public const uint Ia32TscDeadline = 0x6E0;

    /// <summary>First MSR of the x2APIC; register at xAPIC offset r is at 0x800 + r / 16.</summary>
    public const uint X2ApicFirst = 0x800;

    public const uint X2ApicId = 0x802;
    public const uint X2ApicVersion = 0x803;
    public const uint X2ApicTpr = 0x808;
    public const uint X2ApicPpr = 0x80A;
    public const uint X2ApicEoi = 0x80B;
    public const uint X2ApicLdr = 0x80D;
    public const uint X2ApicSivr = 0x80F;
    public const uint X2ApicIsr0 = 0x810;
    public const uint X2ApicTmr0 = 0x818;
    public const uint X2ApicIrr0 = 0x820;
    public const uint X2ApicEsr = 0x828;
    public const uint X2ApicLvtCmci = 0x82F;
    public const uint X2ApicIcr = 0x830;
    public const uint X2ApicLvtTimer = 0x832;
    public const uint X2ApicLvtThermal = 0x833;
    public const uint X2ApicLvtPmi = 0x834;
    public const uint X2ApicLvtLint0 = 0x835;
    public const uint X2ApicLvtLint1 = 0x836;
    public const uint X2ApicLvtError = 0x837;
    public const uint X2ApicInitCount = 0x838;
    public const uint X2ApicCurCount = 0x839;
    public const uint X2ApicDivConf = 0x83E;
    public const uint X2ApicSelfIpi = 0x83F;
    public const uint X2ApicLast = 0x8FF;

    public const uint Ia32Xss = 0xDA0;

    public const uint Ia32Efer = 0xC000_0080;
    public const uint Ia32Star = 0xC000_0081;
    public const uint Ia32Lstar = 0xC000_0082;
    public const uint Ia32Cstar = 0xC000_0083;
    public const uint Ia32Fmask = 0xC000_0084;
    public const uint Ia32FsBase = 0xC000_0100;
    public const uint Ia32GsBase = 0xC000_0101;
    public const uint Ia32KernelGsBase = 0xC000_0102;
    public const uint Ia32TscAux = 0xC000_0103;
}
