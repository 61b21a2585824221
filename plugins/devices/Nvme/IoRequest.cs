using System.Runtime.CompilerServices;
using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>
/// One command that the backend works on. Reused: the lists and delegates live on, so that a request costs no
/// allocation of its own.
/// </summary>
internal sealed class IoRequest
{
    private readonly IDeviceContext _context;
    private readonly Action _ready;
    private readonly Action _finish;
    private ConfiguredValueTaskAwaitable<BlockStatus>.ConfiguredValueTaskAwaiter _awaiter;

    public IoRequest(IDeviceContext context, Action<IoRequest> finished)
    {
        _context = context;
        _ready = Ready;
        _finish = () => finished(this);
    }

    /// <summary>The queue to complete in, or null for the flush of a shutdown.</summary>
    public SubmissionQueue? Queue { get; private set; }

    public NvmeCommand Command { get; private set; }

    /// <summary>Which enablement of the controller the request belongs to.</summary>
    public int Generation { get; private set; }

    /// <summary>Whether it finishes after the backend worked elsewhere.</summary>
    public bool IsLate { get; private set; }

    /// <summary>Bytes that move, for the statistics.</summary>
    public int Length { get; set; }

    /// <summary>Guest memory of a transfer.</summary>
    public List<Memory<byte>> Buffers { get; } = [];

    /// <summary>The same, to be written to the disk.</summary>
    public List<ReadOnlyMemory<byte>> Source { get; } = [];

    public void Begin(SubmissionQueue? queue, in NvmeCommand command, int generation)
    {
        Queue = queue;
        Command = command;
        Generation = generation;
        Length = 0;
        IsLate = false;
    }

    public void End()
    {
        Queue = null;
        _awaiter = default;
        Buffers.Clear();
        Source.Clear();
    }

    /// <summary>Waits for the backend; afterwards the request finishes under the device's gate.</summary>
    public void Await(ValueTask<BlockStatus> work)
    {
        IsLate = true;
        _awaiter = work.ConfigureAwait(false).GetAwaiter();
        _awaiter.UnsafeOnCompleted(_ready);
    }

    /// <summary>What the backend answered.</summary>
    public BlockStatus Result() => _awaiter.GetResult();

    private void Ready() => _context.Post(_finish);
}
