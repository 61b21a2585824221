namespace Vmm.Engine.Kvm.Processor;

/// <summary>
/// Keeps the processors of a VM out of their guests while something changes that they share, and that is not there for a
/// moment: a memory slot that is replaced. Entering costs a fence; only changes wait.
/// </summary>
internal sealed class RunGate
{
    private readonly Lock _changes = new();
    private readonly ManualResetEventSlim _open = new(true);
    private Pass[] _passes = [];
    private volatile bool _closed;

    /// <summary>A processor's way through the gate.</summary>
    /// <param name="interrupt">Makes the processor leave its guest soon. Callable from any thread.</param>
    public Pass Add(Action interrupt)
    {
        var pass = new Pass(this, interrupt);
        lock (_changes)
        {
            _passes = [.. _passes, pass];
        }

        return pass;
    }

    /// <summary>Carries out a change while no processor is in its guest. Not from inside one.</summary>
    public void Change(Action change)
    {
        lock (_changes)
        {
            _open.Reset();
            _closed = true;
            Interlocked.MemoryBarrier(); // either a processor sees this, or it is seen inside
            try
            {
                foreach (Pass pass in _passes)
                {
                    pass.WaitOutside();
                }

                change();
            }
            finally
            {
                _closed = false;
                _open.Set();
            }
        }
    }

    /// <summary>Belongs to the thread that runs the processor.</summary>
    internal sealed class Pass(RunGate gate, Action interrupt)
    {
        private volatile bool _inside;

        /// <summary>Before the guest is entered.</summary>
        public void Enter()
        {
            while (true)
            {
                _inside = true;
                Interlocked.MemoryBarrier();
                if (!gate._closed)
                {
                    return;
                }

                _inside = false;
                gate._open.Wait();
            }
        }

        /// <summary>The guest was left.</summary>
        public void Leave() => _inside = false;

        /// <summary>Waits until the processor is out of its guest.</summary>
        public void WaitOutside()
        {
            if (_inside)
            {
                interrupt();
                SpinWait.SpinUntil(() => !_inside);
            }
        }
    }
}
