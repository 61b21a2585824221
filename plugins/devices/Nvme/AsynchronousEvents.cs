using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>Event types (NVMe 1.4, figure 146), each with the log page that tells more and clears it.</summary>
internal enum EventType : byte
{
    Error = 0,
    Health = 1,
}

/// <summary>Event information: what happened, within the type (NVMe 1.4, figures 147 and 148).</summary>
internal enum EventInformation : byte
{
    InvalidDoorbellRegister = 0x00,
    InvalidDoorbellValue = 0x01,
    TemperatureThreshold = 0x01,
}

/// <summary>
/// Asynchronous events (NVMe 1.4, 5.2): requests wait here for something to happen, and one event a type waits for a
/// request. After a report the type is silent until its log page is read.
/// </summary>
internal sealed class AsynchronousEvents
{
    private const int Types = 2;

    private readonly Queue<ushort> _requests = new(QueueLimits.EventRequests);
    private readonly uint?[] _events = new uint?[Types];
    private readonly bool[] _reported = new bool[Types];

    public void Reset()
    {
        _requests.Clear();
        Array.Clear(_events);
        Array.Clear(_reported);
    }

    /// <summary>A request arrives. It does not hold a place in the completion queue while it waits.</summary>
    public bool TryAdd(ushort commandId)
    {
        if (_requests.Count == QueueLimits.EventRequests)
        {
            return false;
        }

        _requests.Enqueue(commandId);
        return true;
    }

    public void Raise(EventType type, EventInformation information)
    {
        if (!_reported[(int)type])
        {
            _events[(int)type] ??= (uint)type | ((uint)information << 8) | ((uint)LogPageOf(type) << 16);
        }
    }

    /// <summary>Brings an event and a request together, if there are both.</summary>
    public bool TryDeliver(out ushort commandId, out uint result)
    {
        commandId = 0;
        result = 0;
        int type = Array.FindIndex(_events, waiting => waiting is not null);
        if (type < 0 || !_requests.TryDequeue(out commandId))
        {
            return false;
        }

        result = _events[type]!.Value;
        _events[type] = null;
        _reported[type] = true;
        return true;
    }

    /// <summary>The guest read a log page without "retain asynchronous event".</summary>
    public void Clear(LogPage page)
    {
        for (int type = 0; type < Types; type++)
        {
            if (LogPageOf((EventType)type) == page)
            {
                _reported[type] = false;
            }
        }
    }

    public void Save(IStateWriter state)
    {
        state.UInt8(1, (byte)_requests.Count);
        int field = 2;
        foreach (ushort request in _requests)
        {
            state.UInt16(field++, request);
        }

        for (int type = 0; type < Types; type++)
        {
            state.UInt32(16 + type, _events[type] ?? uint.MaxValue);
            state.UInt8(32 + type, _reported[type] ? (byte)1 : (byte)0);
        }
    }

    public void Restore(IStateReader state)
    {
        Reset();
        int count = state.UInt8(1);
        if (count > QueueLimits.EventRequests)
        {
            throw new StateException($"{count} asynchronous event requests wait where {QueueLimits.EventRequests} can.");
        }

        for (int i = 0; i < count; i++)
        {
            _requests.Enqueue(state.UInt16(2 + i));
        }

        for (int type = 0; type < Types; type++)
        {
            uint waiting = state.UInt32(16 + type, uint.MaxValue);
            _events[type] = waiting == uint.MaxValue ? null : waiting;
            _reported[type] = state.UInt8(32 + type) != 0;
        }
    }

    private static LogPage LogPageOf(EventType type) => type == EventType.Error ? LogPage.Error : LogPage.Health;
}
