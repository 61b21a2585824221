namespace Vmm.Machine.Channels;

/// <summary>
/// The cable between a device and an endpoint. Output is buffered and written by a thread of its own, so that the
/// device never waits; input waits here until the device has room, and then the endpoint is not read any further.
/// </summary>
public sealed class CharacterChannel : ICharacterChannel, IDisposable
{
    private const int InputBytes = 4096;

    /// <summary>Output that may wait. A guest that sends more, to an endpoint that takes nothing, loses the newest.</summary>
    private const int MostOutput = 16 << 20;

    private readonly ICharacterEndpoint _endpoint;
    private readonly Action<Action> _post;
    private readonly Action<string> _problem;
    private readonly object _outputLock = new();
    private readonly object _inputLock = new();
    private readonly Thread _writer;
    private readonly byte[] _input = new byte[InputBytes];
    private List<byte> _output = [];
    private CharacterReceiver? _receiver;
    private int _inputStart;
    private int _inputEnd;
    private bool _offering;
    private bool _closing;

    /// <summary>Connects a device.</summary>
    /// <param name="name">Name of the device, for its threads.</param>
    /// <param name="endpoint">The outer end; disposed of with the channel.</param>
    /// <param name="post">Runs work under the device's gate.</param>
    /// <param name="problem">Takes a message when the endpoint fails.</param>
    public CharacterChannel(string name, ICharacterEndpoint endpoint, Action<Action> post, Action<string> problem)
    {
        _endpoint = endpoint;
        _post = post;
        _problem = problem;
        _writer = new Thread(WriteOutput) { Name = $"{name}/out", IsBackground = true };
        _writer.Start();
    }

    /// <summary>Starts to read the endpoint; once the guest runs.</summary>
    public void StartInput(string name) => new Thread(ReadInput) { Name = $"{name}/in", IsBackground = true }.Start();

    public void Send(ReadOnlySpan<byte> data)
    {
        lock (_outputLock)
        {
            if (_output.Count + data.Length <= MostOutput)
            {
                _output.AddRange(data);
                Monitor.Pulse(_outputLock);
            }
        }
    }

    public void SetReceiver(CharacterReceiver receiver)
    {
        lock (_inputLock)
        {
            _receiver = receiver;
        }

        Offer();
    }

    public void ReceiverReady() => Offer();

    /// <summary>Writes out what is still buffered and closes the endpoint.</summary>
    public void Dispose()
    {
        lock (_outputLock)
        {
            _closing = true;
            Monitor.Pulse(_outputLock);
        }

        lock (_inputLock)
        {
            Monitor.PulseAll(_inputLock);
        }

        _writer.Join();
        _endpoint.Dispose();
    }

    private void WriteOutput()
    {
        List<byte> taken = [];
        try
        {
            while (true)
            {
                lock (_outputLock)
                {
                    while (_output.Count == 0 && !_closing)
                    {
                        Monitor.Wait(_outputLock);
                    }

                    if (_output.Count == 0)
                    {
                        return;
                    }

                    (taken, _output) = (_output, taken);
                }

                _endpoint.Write(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(taken));
                taken.Clear();
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            _problem($"Output of the guest can no longer be written: {e.Message}");
        }
    }

    private void ReadInput()
    {
        Span<byte> buffer = stackalloc byte[InputBytes];
        while (true)
        {
            int count;
            try
            {
                count = _endpoint.Read(buffer);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                return;
            }

            if (count == 0)
            {
                return;
            }

            lock (_inputLock)
            {
                while (_inputStart != _inputEnd && !_closing)
                {
                    Monitor.Wait(_inputLock);
                }

                if (_closing)
                {
                    return;
                }

                buffer[..count].CopyTo(_input);
                _inputStart = 0;
                _inputEnd = count;
            }

            Offer();
        }
    }

    /// <summary>Offers waiting input to the device, under its gate; at most one offer is under way.</summary>
    private void Offer()
    {
        lock (_inputLock)
        {
            if (_offering || _receiver is null || _inputStart == _inputEnd)
            {
                return;
            }

            _offering = true;
        }

        _post(() =>
        {
            lock (_inputLock)
            {
                _offering = false;
            }

            // The gate is held, so that nobody else offers; the receiver may call back.
            if (_inputStart == _inputEnd)
            {
                return;
            }

            int accepted = _receiver!(_input.AsSpan(_inputStart, _inputEnd - _inputStart));
            lock (_inputLock)
            {
                _inputStart += Math.Clamp(accepted, 0, _inputEnd - _inputStart);
                if (_inputStart == _inputEnd)
                {
                    Monitor.PulseAll(_inputLock);
                }
            }
        });
    }
}
