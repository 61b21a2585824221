using System.Text;

namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>What a guest or a process has said so far, and a way to wait for what it shall say next.</summary>
internal sealed class Transcript
{
    private readonly Lock _gate = new();
    private readonly StringBuilder _text = new();
    private TaskCompletionSource _changed = NewSignal();
    private int _read;
    private bool _ended;

    /// <summary>Everything so far.</summary>
    public string Text
    {
        get
        {
            lock (_gate)
            {
                return _text.ToString();
            }
        }
    }

    /// <summary>Takes more text. A byte is a character: what a guest sends need not be valid in any encoding.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            foreach (byte value in bytes)
            {
                _text.Append((char)value);
            }

            Signal();
        }
    }

    /// <summary>Nothing will follow.</summary>
    public void End()
    {
        lock (_gate)
        {
            _ended = true;
            Signal();
        }
    }

    /// <summary>Reads a stream to its end.</summary>
    public async Task CopyFromAsync(Stream stream)
    {
        byte[] buffer = new byte[4096];
        try
        {
            while (await stream.ReadAsync(buffer) is var count and not 0)
            {
                Append(buffer.AsSpan(0, count));
            }
        }
        finally
        {
            End();
        }
    }

    /// <summary>Waits until there is so much text.</summary>
    /// <param name="length">Characters.</param>
    /// <param name="deadline">How long it may take.</param>
    public async Task ReachAsync(int length, TimeSpan deadline)
    {
        using CancellationTokenSource late = new(deadline);
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_text.Length >= length || _ended)
                {
                    return;
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(late.Token);
        }
    }

    /// <summary>Waits for a text after what the last call found.</summary>
    /// <param name="wanted">The text.</param>
    /// <param name="deadline">How long it may take.</param>
    /// <returns>What came before it.</returns>
    public async Task<string> ExpectAsync(string wanted, TimeSpan deadline)
    {
        long start = TimeProvider.System.GetTimestamp();
        int searched = 0;
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                string unread = _text.ToString(_read, _text.Length - _read);
                int found = unread.IndexOf(wanted, Math.Max(0, searched - wanted.Length), StringComparison.Ordinal);
                if (found >= 0)
                {
                    _read += found + wanted.Length;
                    return unread[..found];
                }

                if (_ended)
                {
                    throw new InvalidOperationException($"The output ended before '{wanted}' came. All of it:\n{_text}");
                }

                searched = unread.Length;
                changed = _changed.Task;
            }

            TimeSpan left = deadline - TimeProvider.System.GetElapsedTime(start);
            try
            {
                await changed.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero);
            }
            catch (TimeoutException)
            {
                throw new TimeoutException($"'{wanted}' did not come within {deadline.TotalSeconds:F0} s. Everything so far:\n{Text}");
            }
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Signal()
    {
        TaskCompletionSource changed = _changed;
        _changed = NewSignal();
        changed.SetResult();
    }
}
