using Vmm.Sdk;

namespace Vmm.Plugins.Tests.Nvme;

/// <summary>A backend whose requests end when the test says so.</summary>
internal sealed class GatedBackend : IBlockBackend
{
    private readonly List<TaskCompletionSource<BlockStatus>> _requests = [];

    public BlockGeometry Geometry { get; init; } = new(512, 2048, ReadOnly: false);

    public int Requests => _requests.Count;

    public List<bool> Durable { get; } = [];

    public CancellationToken LastCancellation { get; private set; }

    public ValueTask<BlockStatus> ReadAsync(ulong sector, IReadOnlyList<Memory<byte>> buffers, CancellationToken cancellation) => Add(cancellation);

    public ValueTask<BlockStatus> WriteAsync(
        ulong sector, IReadOnlyList<ReadOnlyMemory<byte>> buffers, bool durable, CancellationToken cancellation)
    {
        Durable.Add(durable);
        return Add(cancellation);
    }

    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation) => Add(cancellation);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    public void Finish(int request, BlockStatus status = BlockStatus.Ok) => _requests[request].SetResult(status);

    public void Fail(int request, Exception error) => _requests[request].SetException(error);

    private ValueTask<BlockStatus> Add(CancellationToken cancellation)
    {
        LastCancellation = cancellation;
        _requests.Add(new TaskCompletionSource<BlockStatus>());
        return new ValueTask<BlockStatus>(_requests[^1].Task);
    }
}
