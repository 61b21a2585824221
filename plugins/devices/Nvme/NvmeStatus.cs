namespace Vmm.Plugins.Nvme;

/// <summary>Status code type (bits 10:8) and status code (bits 7:0) of a completion (NVMe 1.4, 4.6.1).</summary>
internal enum NvmeStatus : ushort
{
    Success = 0x000,
    InvalidOpcode = 0x001,
    InvalidField = 0x002,
    DataTransferError = 0x004,
    InternalError = 0x006,
    CommandAbortRequested = 0x007,
    InvalidNamespaceOrFormat = 0x00b,
    CommandSequenceError = 0x00c,
    PrpOffsetInvalid = 0x013,
    NamespaceWriteProtected = 0x020,
    LbaOutOfRange = 0x080,
    CapacityExceeded = 0x081,

    CompletionQueueInvalid = 0x100,
    InvalidQueueIdentifier = 0x101,
    InvalidQueueSize = 0x102,
    AsynchronousEventLimitExceeded = 0x105,
    InvalidInterruptVector = 0x108,
    InvalidLogPage = 0x109,
    InvalidQueueDeletion = 0x10c,
    FeatureNotSaveable = 0x10d,

    WriteFault = 0x280,
    UnrecoveredReadError = 0x281,
}

/// <summary>What follows from a status.</summary>
internal static class NvmeStatusExtensions
{
    /// <summary>Whether the same command may succeed another time; the others carry "do not retry".</summary>
    public static bool IsWorthRetrying(this NvmeStatus status) =>
        status is NvmeStatus.WriteFault or NvmeStatus.UnrecoveredReadError or NvmeStatus.InternalError
            or NvmeStatus.CommandAbortRequested or NvmeStatus.CapacityExceeded;
}
