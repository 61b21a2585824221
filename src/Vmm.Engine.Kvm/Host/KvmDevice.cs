using System.Runtime.InteropServices;
using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Host;

/// <summary>The KVM device, opened and checked: API version 12 and every capability that the engine cannot do without.</summary>
internal sealed class KvmDevice : IDisposable
{
    public const string DefaultPath = "/dev/kvm";
    private const int ApiVersion = 12;

    // What the engine needs, with what for: the message for a missing one says it.
    private static readonly (KvmCapability Capability, string Purpose)[] Required =
    [
        (KvmCapability.UserMemory, "guest memory"),
        (KvmCapability.SyncMmu, "guest memory that the host may page"),
        (KvmCapability.ReadonlyMem, "ROM"),
        (KvmCapability.SetTssAddr, "real mode on processors without unrestricted guests"),
        (KvmCapability.SetIdentityMapAddr, "real mode on processors without unrestricted guests"),
        (KvmCapability.ExtCpuid, "choosing what CPUID shows"),
        (KvmCapability.MpState, "saving the activity state"),
        (KvmCapability.UserNmi, "NMIs"),
        (KvmCapability.SetGuestDebug, "the monitor trap flag"),
        (KvmCapability.VcpuEvents, "injecting exceptions and saving pending events"),
        (KvmCapability.Debugregs, "saving debug registers"),
        (KvmCapability.Xsave, "saving x87, SSE and AVX registers"),
        (KvmCapability.Xcrs, "saving XCR0"),
        (KvmCapability.GetTscKhz, "the frequency of the time-stamp counter"),
        (KvmCapability.SyncRegs, "reading general registers without a system call; Linux 4.17"),
        (KvmCapability.ImmediateExit, "kicking a processor out of its guest; Linux 4.12"),
        (KvmCapability.X86UserSpaceMsr, "MSR exits; Linux 5.10"),
        (KvmCapability.X86MsrFilter, "MSR bitmaps; Linux 5.10"),
        (KvmCapability.Sregs2, "saving PDPTEs; Linux 5.14"),
    ];

    private readonly KvmDescriptor _device;

    private KvmDevice(KvmDescriptor device) => _device = device;

    /// <summary>Bytes of the page that a virtual processor shares with KVM, with the pages behind it.</summary>
    public int RunSize { get; private init; }

    /// <summary>Opens and checks the device.</summary>
    /// <param name="path">The device.</param>
    /// <exception cref="KvmException">It cannot be opened, speaks another version, or lacks capabilities; all of them by name.</exception>
    public static KvmDevice Open(string path = DefaultPath)
    {
        int descriptor = LibC.Open(path, LibC.ReadWrite | LibC.CloseOnExec);
        if (descriptor < 0)
        {
            throw new KvmException(OpenFailure(path, Marshal.GetLastPInvokeError()));
        }

        var device = new KvmDescriptor(descriptor);
        try
        {
            return Refusal(path, device.Try) is { } reason
                ? throw new KvmException(reason)
                : new KvmDevice(device) { RunSize = device.Request(KvmRequest.GetVcpuMmapSize) };
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Every capability that the engine cannot do without, with what for.</summary>
    public static IReadOnlyList<(KvmCapability Capability, string Purpose)> Needed => Required;

    /// <summary>Why a device cannot be used, for people, given what it answers to requests; null when it can.</summary>
    public static string? Refusal(string path, Func<KvmRequest, nint, int> ask)
    {
        int version = ask(KvmRequest.GetApiVersion, 0);
        if (version != ApiVersion)
        {
            return version < 0
                ? $"{path} does not answer KVM requests: it is not the KVM device."
                : $"{path} speaks version {version} of the KVM interface; this engine speaks version {ApiVersion}.";
        }

        string[] missing =
        [
            .. from needed in Required
               where ask(KvmRequest.CheckExtension, (nint)needed.Capability) <= 0
               select $"{KvmName.Of(needed.Capability)} ({needed.Purpose})",
        ];
        return missing.Length == 0
            ? null
            : $"{path} lacks what this engine needs: {string.Join("; ", missing)}. Use a newer host kernel, or --engine software.";
    }

    /// <summary>Why a device could not be opened, for people.</summary>
    public static string OpenFailure(string path, int error) => error switch
    {
        LibC.Enoent => $"{path} does not exist: the host kernel has no KVM, or its module (kvm_intel or kvm_amd) is not loaded.",
        LibC.Eacces or LibC.Eperm => $"{path} may not be opened by this user: add the user to the group 'kvm' (usermod -aG kvm USER) and log in again.",
        LibC.Ebusy => $"{path} is busy: another hypervisor holds the processor's virtualization.",
        _ => $"{path} cannot be opened: {Marshal.GetPInvokeErrorMessage(error)}.",
    };

    /// <summary>The value of a capability; 0 for none.</summary>
    public int Check(KvmCapability capability) => Math.Max(0, _device.Try(KvmRequest.CheckExtension, (nint)capability));

    public KvmDescriptor CreateVm() => new(_device.Request(KvmRequest.CreateVm));

    /// <summary>A request to the device with a structure.</summary>
    public int Request(KvmRequest request, nint argument) => _device.Request(request, argument);

    public void Dispose() => _device.Dispose();
}
