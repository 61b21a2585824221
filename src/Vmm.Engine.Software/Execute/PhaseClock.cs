using System.Diagnostics;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Execute;

/// <summary>
/// Adds up how long a processor is in each phase. A timer looks a hundred times a second and gives all the time since it
/// looked last to the phase it finds: what enters a phase writes one word, and reads no clock. The timer rests while the
/// processor does.
/// </summary>
/// <remarks>Unsafe invariant: the state lives until <see cref="Dispose"/> has returned.</remarks>
internal sealed unsafe class PhaseClock(CpuState* state) : IDisposable
{
    private const int Period = 10;
    private const int RestsAfter = 8;

    private readonly Lock _gate = new();
    private readonly long[] _ticks = new long[(int)ProcessorPhase.Waiting + 1];
    private Timer? _timer;
    private volatile bool _isRunning;
    private long _last;
    private int _idle;
    private bool _closed;

    /// <summary>After the processor's phase has become one with work; on its thread.</summary>
    public void Wake()
    {
        // The phase was written before, and Look reads it after it has cleared this.
        Interlocked.MemoryBarrier();
        if (_isRunning)
        {
            return;
        }

        lock (_gate)
        {
            if (!_closed && !_isRunning)
            {
                _isRunning = true;
                _idle = 0;
                _last = Stopwatch.GetTimestamp();
                _timer ??= new Timer(static clock => ((PhaseClock)clock!).Look(), this, Timeout.Infinite, Timeout.Infinite);
                _timer.Change(Period, Period);
            }
        }
    }

    /// <summary>Microseconds in a phase.</summary>
    public long Microseconds(ProcessorPhase phase) => (long)(Volatile.Read(ref _ticks[(int)phase]) * 1e6 / Stopwatch.Frequency);

    private ProcessorPhase Phase => (ProcessorPhase)Volatile.Read(ref state->Phase);

    private static bool IsIdle(ProcessorPhase phase) => phase is ProcessorPhase.Outside or ProcessorPhase.Waiting;

    private void Look()
    {
        lock (_gate)
        {
            if (_closed || !_isRunning)
            {
                return;
            }

            long now = Stopwatch.GetTimestamp();
            ProcessorPhase phase = Phase;
            _ticks[(int)phase] += now - _last;
            _last = now;
            _idle = IsIdle(phase) ? _idle + 1 : 0;
            if (_idle == RestsAfter)
            {
                Rest();
            }
        }
    }

    private void Rest()
    {
        _isRunning = false;
        Interlocked.MemoryBarrier();
        if (!IsIdle(Phase))
        {
            _isRunning = true;
            _idle = 0;
            return;
        }

        _timer!.Change(Timeout.Infinite, Timeout.Infinite);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            _timer?.Dispose();
        }
    }
}
