using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>The controller's properties (NVMe 1.4, 3.1) as values; what follows from them is the controller's.</summary>
internal sealed class ControllerRegisters
{
    public const ulong CapabilitiesOffset = 0x00;
    public const ulong VersionOffset = 0x08;
    public const ulong InterruptMaskSetOffset = 0x0c;
    public const ulong InterruptMaskClearOffset = 0x10;
    public const ulong ConfigurationOffset = 0x14;
    public const ulong StatusOffset = 0x1c;
    public const ulong AdminAttributesOffset = 0x24;
    public const ulong AdminSubmissionOffset = 0x28;
    public const ulong AdminCompletionOffset = 0x30;

    /// <summary>The doorbells (CAP.DSTRD = 0): tail of submission queue y at 8y, head of completion queue y at 8y + 4.</summary>
    public const ulong DoorbellsOffset = 0x1000;

    private const uint EnableBit = 1 << 0;
    private const uint AdminAttributesMask = 0x0fff_0fff;
    private const ulong PageMask = ~(ulong)(QueueLimits.PageSize - 1);

    private const ulong CommandSetNvm = 1ul << 37;
    private const ulong ContiguousQueuesRequired = 1ul << 16;

    /// <summary>CAP.TO: how long a change of CC.EN takes at worst, in units of 500 ms.</summary>
    private const ulong Timeout = 20ul << 24;

    private static readonly BitField CommandSet = new(4, 3);
    private static readonly BitField MemoryPageSize = new(7, 4);
    private static readonly BitField Arbitration = new(11, 3);
    private static readonly BitField ShutdownNotification = new(14, 2);
    private static readonly BitField SubmissionEntrySize = new(16, 4);
    private static readonly BitField CompletionEntrySize = new(20, 4);
    private static readonly BitField ShutdownStatusField = new(2, 2);

    private uint _configuration;
    private uint _adminAttributes;
    private ulong _adminSubmission;
    private ulong _adminCompletion;

    public static ulong Capabilities => CommandSetNvm | Timeout | ContiguousQueuesRequired | (QueueLimits.MostEntries - 1);

    public uint Configuration
    {
        get => _configuration;
        set => _configuration = value & 0x00ff_fff1;
    }

    public bool Enabled => (_configuration & EnableBit) != 0;

    public bool ShutdownRequested => ShutdownNotification.Get(_configuration) != 0;

    public bool Ready { get; set; }

    public bool Fatal { get; set; }

    /// <summary>A controller reset waits for the backend.</summary>
    public bool Resetting { get; set; }

    /// <summary>Whether commands are fetched and completed.</summary>
    public bool Running => Ready && Enabled && !Fatal && !Resetting;

    public ShutdownStatus Shutdown { get; set; }

    public uint Status => (Ready ? 1u : 0) | (Fatal ? 2u : 0) | (uint)ShutdownStatusField.Set(0, (ulong)Shutdown);

    public uint InterruptMask { get; set; }

    public uint AdminAttributes
    {
        get => _adminAttributes;
        set => _adminAttributes = value & AdminAttributesMask;
    }

    public ulong AdminSubmission
    {
        get => _adminSubmission;
        set => _adminSubmission = value & PageMask;
    }

    public ulong AdminCompletion
    {
        get => _adminCompletion;
        set => _adminCompletion = value & PageMask;
    }

    public int AdminSubmissionSize => (int)(_adminAttributes & 0xfff) + 1;

    public int AdminCompletionSize => (int)((_adminAttributes >> 16) & 0xfff) + 1;

    /// <summary>Whether CC and AQA ask for what CAP offers.</summary>
    public bool CanEnable =>
        CommandSet.Get(_configuration) == 0 && MemoryPageSize.Get(_configuration) == 0 && Arbitration.Get(_configuration) == 0
        && AdminSubmissionSize >= QueueLimits.LeastEntries && AdminCompletionSize >= QueueLimits.LeastEntries;

    /// <summary>Whether the entry sizes of I/O queues are set to the only ones there are; the guest does so before it makes such queues.</summary>
    public bool HasEntrySizes =>
        SubmissionEntrySize.Get(_configuration) == IdentifyData.SubmissionEntryLog2
        && CompletionEntrySize.Get(_configuration) == IdentifyData.CompletionEntryLog2;

    /// <summary>A controller reset (7.3.2): the admin queue registers survive.</summary>
    public void ResetController()
    {
        _configuration = 0;
        InterruptMask = 0;
        Fatal = false;
        Shutdown = ShutdownStatus.None;
    }

    public void ResetAll()
    {
        ResetController();
        Ready = false;
        _adminAttributes = 0;
        _adminSubmission = 0;
        _adminCompletion = 0;
    }

    public ulong Read(ulong register) => register switch
    {
        CapabilitiesOffset => (uint)Capabilities,
        CapabilitiesOffset + 4 => Capabilities >> 32,
        VersionOffset => IdentifyData.Version,
        InterruptMaskSetOffset or InterruptMaskClearOffset => InterruptMask,
        ConfigurationOffset => _configuration,
        StatusOffset => Status,
        AdminAttributesOffset => _adminAttributes,
        AdminSubmissionOffset => (uint)_adminSubmission,
        AdminSubmissionOffset + 4 => _adminSubmission >> 32,
        AdminCompletionOffset => (uint)_adminCompletion,
        AdminCompletionOffset + 4 => _adminCompletion >> 32,
        _ => 0,
    };

    public void Save(IStateWriter state)
    {
        state.UInt32(1, _configuration);
        state.UInt32(2, Status);
        state.UInt32(3, InterruptMask);
        state.UInt32(4, _adminAttributes);
        state.UInt64(5, _adminSubmission);
        state.UInt64(6, _adminCompletion);
    }

    public void Restore(IStateReader state)
    {
        Configuration = state.UInt32(1);
        uint status = state.UInt32(2);
        Ready = (status & 1) != 0;
        Fatal = (status & 2) != 0;
        Shutdown = (ShutdownStatus)Math.Min(ShutdownStatusField.Get(status), (ulong)ShutdownStatus.Complete);
        InterruptMask = state.UInt32(3);
        AdminAttributes = state.UInt32(4);
        AdminSubmission = state.UInt64(5);
        AdminCompletion = state.UInt64(6);
    }
}

/// <summary>CSTS.SHST.</summary>
internal enum ShutdownStatus : byte
{
    None = 0,
    Occurring = 1,
    Complete = 2,
}
