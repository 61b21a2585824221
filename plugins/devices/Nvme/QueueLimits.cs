using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>What queues and transfers are limited to, as CAP and Identify announce it.</summary>
internal static class QueueLimits
{
    /// <summary>Most entries in a queue (CAP.MQES + 1).</summary>
    public const int MostEntries = 1024;

    /// <summary>Most entries in the admin queues, which AQA bounds, not MQES.</summary>
    public const int MostAdminEntries = 4096;

    public const int LeastEntries = 2;

    /// <summary>Asynchronous event requests that may wait (Identify AERL + 1).</summary>
    public const int EventRequests = 4;

    /// <summary>The memory page of CC.MPS = 0, the only one that CAP announces.</summary>
    public const int PageSize = 4096;

    /// <summary>log2 of the largest transfer in pages (Identify MDTS).</summary>
    public const int TransferPagesLog2 = 9;

    public const int LargestTransfer = PageSize << TransferPagesLog2;

    /// <summary>A size out of saved state.</summary>
    public static int CheckedSize(uint size) => size is >= LeastEntries and <= MostAdminEntries
        ? (int)size
        : throw new StateException($"A queue cannot have {size} entries.");
}
