using System.Text;

namespace Vmm.Engine.Kvm.Interop;

/// <summary>The <c>ioctl</c> requests of KVM that the engine makes, by their numbers on x86-64 (linux/kvm.h).</summary>
internal enum KvmRequest : uint
{
    /// <summary>FIOCLEX, which does nothing to a descriptor that closes on exec already.</summary>
    Nothing = 0x5451,

    // To the device
    GetApiVersion = 0xAE00,
    CreateVm = 0xAE01,
    CheckExtension = 0xAE03,
    GetVcpuMmapSize = 0xAE04,
    GetSupportedCpuid = 0xC008_AE05,

    // To a VM
    CreateVcpu = 0xAE41,
    GetDirtyLog = 0x4010_AE42,
    SetUserMemoryRegion = 0x4020_AE46,
    SetTssAddr = 0xAE47,
    SetIdentityMapAddr = 0x4008_AE48,
    SetGsiRouting = 0x4008_AE6A,
    Irqfd = 0x4020_AE76,
    Ioeventfd = 0x4040_AE79,
    SignalMsi = 0x4020_AEA5,
    X86SetMsrFilter = 0x4188_AEC6,
    EnableCap = 0x4068_AEA3,

    // To a virtual processor
    Run = 0xAE80,
    GetRegs = 0x8090_AE81,
    SetRegs = 0x4090_AE82,
    Translate = 0xC018_AE85,
    Interrupt = 0x4004_AE86,
    GetMsrs = 0xC008_AE88,
    SetMsrs = 0x4008_AE89,
    GetLapic = 0x8400_AE8E,
    SetLapic = 0x4400_AE8F,
    SetCpuid2 = 0x4008_AE90,
    GetMpState = 0x8004_AE98,
    SetMpState = 0x4004_AE99,
    Nmi = 0xAE9A,
    SetGuestDebug = 0x4048_AE9B,
    GetVcpuEvents = 0x8040_AE9F,
    SetVcpuEvents = 0x4040_AEA0,
    GetDebugregs = 0x8080_AEA1,
    SetDebugregs = 0x4080_AEA2,
    SetTscKhz = 0xAEA2,
    GetTscKhz = 0xAEA3,
    GetXsave = 0x9000_AEA4,
    SetXsave = 0x5000_AEA5,
    GetXcrs = 0x8188_AEA6,
    SetXcrs = 0x4188_AEA7,
    GetSregs2 = 0x8140_AECC,
    SetSregs2 = 0x4140_AECD,
    SetDeviceAttr = 0x4018_AEE1,
    GetDeviceAttr = 0x4018_AEE2,
}

/// <summary>Requests and capabilities as KVM's documentation spells them, for messages.</summary>
internal static class KvmName
{
    /// <summary><c>SetUserMemoryRegion</c> becomes <c>KVM_SET_USER_MEMORY_REGION</c>.</summary>
    public static string Of(KvmRequest request) => Spell("KVM_", request.ToString());

    /// <summary><c>SplitIrqchip</c> becomes <c>KVM_CAP_SPLIT_IRQCHIP</c>.</summary>
    public static string Of(KvmCapability capability) => Spell("KVM_CAP_", capability.ToString());

    private static string Spell(string prefix, string name)
    {
        StringBuilder text = new(prefix);
        for (int i = 0; i < name.Length; i++)
        {
            if (i > 0 && char.IsUpper(name[i]))
            {
                text.Append('_');
            }

            text.Append(char.ToUpperInvariant(name[i]));
        }

        return text.ToString();
    }
}
