using Vmm.Sdk;

namespace Vmm.Plugins.VirtioNet;

/// <summary>
/// Frames between the backend's threads, which put them in, and the device's gate, under which they go to the guest. The
/// only part of the device that several threads touch.
/// </summary>
internal sealed class Inbox
{
    private const int Capacity = 256;

    private readonly Lock _lock = new();
    private readonly Queue<Frame> _frames = new();
    private readonly Stack<byte[]> _idle = new();
    private readonly int _maximumFrameBytes;
    private readonly IDeviceContext _context;
    private readonly Action _deliver;
    private bool _posted;
    private bool _refused;
    private bool _open;

    public Inbox(int maximumFrameBytes, IDeviceContext context, Action deliver)
    {
        _maximumFrameBytes = maximumFrameBytes;
        _context = context;
        _deliver = deliver;
    }

    /// <summary>Whether frames are kept. A device that no driver runs takes and loses them, as one without a cable.</summary>
    public bool Open
    {
        get => _open;
        set
        {
            lock (_lock)
            {
                _open = value;
                while (!value && _frames.TryDequeue(out Frame frame))
                {
                    _idle.Push(frame.Bytes);
                }
            }
        }
    }

    /// <summary>Takes a frame from the backend. Callable from any thread.</summary>
    /// <returns>False when there is no room.</returns>
    public bool Receive(ReadOnlySpan<byte> frame)
    {
        lock (_lock)
        {
            if (!_open || frame.Length > _maximumFrameBytes)
            {
                return true;
            }

            if (_frames.Count == Capacity)
            {
                _refused = true;
                return false;
            }

            byte[] bytes = _idle.TryPop(out byte[]? idle) ? idle : new byte[_maximumFrameBytes];
            frame.CopyTo(bytes);
            _frames.Enqueue(new Frame(bytes, frame.Length));
            if (_posted)
            {
                return true;
            }

            _posted = true;
        }

        _context.Post(_deliver);
        return true;
    }

    /// <summary>Called before frames are given to the guest: what comes from now on is posted anew.</summary>
    public void BeginDelivery()
    {
        lock (_lock)
        {
            _posted = false;
        }
    }

    /// <summary>The oldest frame, which stays.</summary>
    public bool TryPeek(out ReadOnlySpan<byte> frame)
    {
        lock (_lock)
        {
            bool any = _frames.TryPeek(out Frame oldest);
            frame = any ? oldest.Bytes.AsSpan(0, oldest.Length) : default;
            return any;
        }
    }

    /// <summary>Removes the oldest frame.</summary>
    public void Remove()
    {
        lock (_lock)
        {
            _idle.Push(_frames.Dequeue().Bytes);
        }
    }

    /// <summary>Whether the backend was refused and there is room now; asks once.</summary>
    public bool TakeRefusal()
    {
        lock (_lock)
        {
            bool room = _refused && _frames.Count < Capacity;
            _refused &= !room;
            return room;
        }
    }

    private readonly record struct Frame(byte[] Bytes, int Length);
}
