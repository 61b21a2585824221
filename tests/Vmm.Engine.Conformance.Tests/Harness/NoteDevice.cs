using Vmm.Kernel;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>A device that notes what it is written, and that a certain value ends.</summary>
internal sealed class NoteDevice(DeviceContext context, Action ended) : IDevice, IPortDevice
{
    private readonly Lock _gate = new();
    private readonly List<ulong> _written = [];

    /// <summary>What was written so far.</summary>
    public IReadOnlyList<ulong> Written
    {
        get
        {
            lock (_gate)
            {
                return [.. _written];
            }
        }
    }

    public Func<ulong> OnRead { get; set; } = () => 0;

    public Action<ulong> OnWrite { get; set; } = _ => { };

    public DeviceContext Context => context;

    public void Attach() => context.Ports.Claim("notes", KernelBench.NotePort, 2, AccessWidths.Byte | AccessWidths.Word, this);

    public void Reset(ResetKind kind)
    {
        lock (_gate)
        {
            _written.Clear();
        }
    }

    public ulong Read(uint offset, AccessWidth width) => OnRead();

    public void Write(uint offset, AccessWidth width, ulong value)
    {
        lock (_gate)
        {
            _written.Add(value);
        }

        OnWrite(value);
        if (value == KernelBench.EndMark)
        {
            ended();
        }
    }
}
