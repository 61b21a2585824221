using System.Runtime.CompilerServices;
using Vmm.Sdk;

namespace Vmm.Plugins.VirtioBlock;

/// <summary>A request that the backend works on; used again for the next one.</summary>
internal sealed class BlockRequest
{
    private readonly IDeviceContext _context;
    private readonly Action _ready;
    private readonly Action _finish;
    private ConfiguredValueTaskAwaitable<BlockStatus>.ConfiguredValueTaskAwaiter _awaiter;

    public BlockRequest(IDeviceContext context, Action<BlockRequest> finish)
    {
        _context = context;
        _finish = () => finish(this);
        _ready = () => _context.Post(_finish);
    }

    /// <summary>The driver's chain.</summary>
    public IVirtioChain? Chain { get; set; }

    /// <summary>Guest memory that is read into.</summary>
    public List<Memory<byte>> Target { get; } = [];

    /// <summary>What is written to the disk.</summary>
    public List<ReadOnlyMemory<byte>> Source { get; } = [];

    /// <summary>Waits for the backend; afterwards the request finishes under the device's gate.</summary>
    public void Await(ValueTask<BlockStatus> work)
    {
        _awaiter = work.ConfigureAwait(false).GetAwaiter();
        _awaiter.UnsafeOnCompleted(_ready);
    }

    /// <summary>What the backend answered.</summary>
    public BlockStatus Result() => _awaiter.GetResult();

    public void Clear()
    {
        Chain = null;
        _awaiter = default;
        Target.Clear();
        Source.Clear();
    }
}
