using System.Net.Sockets;
using System.Text;
using Vmm.Cli.Arguments;
using Vmm.Cli.Commands;
using Vmm.Kernel;
using Vmm.Machine;
using Vmm.Machine.Boards;
using Vmm.Machine.Snapshots;

namespace Vmm.Cli.Control;

/// <summary>The ear of a running VM: a socket under its name, on which it answers one request a connection, one after another.</summary>
internal sealed class ControlServer : IDisposable
{
    private const int MostDefaultNames = 1000, LongestRequest = 64 << 10;

    /// <summary>Whoever connects and says or reads nothing for so long is left: others wait behind.</summary>
    private const int PatienceMilliseconds = 5000;

    private readonly RuntimeFolder _folder;
    private readonly FileStream _held;
    private readonly Socket _listener;
    private readonly AssembledMachine _machine;
    private readonly MachineSaver _saver;
    private readonly Thread _thread;
    private volatile bool _ending;

    private ControlServer(RuntimeFolder folder, string name, FileStream held, AssembledMachine machine)
    {
        _folder = folder;
        _held = held;
        _machine = machine;
        _saver = new MachineSaver(machine);
        Name = name;
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(new UnixDomainSocketEndPoint(folder.SocketOf(name)));
        _listener.Listen();
        _thread = new Thread(Listen) { Name = $"{name}/control", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Name of the VM.</summary>
    public string Name { get; }

    /// <summary>Starts to listen.</summary>
    /// <param name="wanted">The name that was asked for; null for the machine's with the first number that is free.</param>
    /// <param name="machine">The machine.</param>
    /// <exception cref="UsageException">The name is taken or is none.</exception>
    /// <exception cref="MachineException">There is no place to listen at.</exception>
    public static ControlServer Start(string? wanted, AssembledMachine machine)
    {
        if (wanted is not null && !RuntimeFolder.IsName(wanted))
        {
            throw new UsageException($"--name {wanted}: a name has letters, digits, '-', '_' and '.', 40 at most.");
        }

        RuntimeFolder folder = RuntimeFolder.OfUser();
        string stem = RuntimeFolder.IsName(machine.Description.Name + "-0000") ? machine.Description.Name : "vm";
        foreach (string name in wanted is null ? Enumerable.Range(1, MostDefaultNames).Select(number => $"{stem}-{number}") : [wanted])
        {
            if (folder.TryTake(name) is not { } held)
            {
                continue;
            }

            try
            {
                return new ControlServer(folder, name, held, machine);
            }
            catch (Exception e) when (e is SocketException or ArgumentException)
            {
                folder.Release(name, held);
                throw new MachineException($"{folder.SocketOf(name)}: the machine cannot listen there: {e.Message}", e);
            }
        }

        throw new UsageException($"--name {wanted ?? stem}: a machine of that name is running. {RuntimeFolder.Describe(folder.Running())}");
    }

    public void Dispose()
    {
        _ending = true;
        _listener.Dispose();
        _thread.Join();
        _folder.Release(Name, _held);
    }

    private void Listen()
    {
        while (!_ending)
        {
            try
            {
                Socket connection = _listener.Accept();
                connection.ReceiveTimeout = connection.SendTimeout = PatienceMilliseconds;
                using NetworkStream stream = new(connection, ownsSocket: true);
                ControlMessage.Write(stream, Answer(ControlMessage.Read<ControlRequest>(stream, LongestRequest)));
            }
            catch (Exception e) when (e is SocketException or IOException or MachineException or ObjectDisposedException)
            {
                // Whoever asked went away, or we do.
            }
        }
    }

    private ControlReply Answer(ControlRequest request)
    {
        try
        {
            return new ControlReply(null, Serve(request));
        }
        catch (Exception e) when (e is MachineException or StateException or InvalidOperationException)
        {
            return new ControlReply(e.Message, []);
        }
    }

    private byte[] Serve(ControlRequest request)
    {
        VirtualMachine vm = _machine.VirtualMachine;
        switch (request.Verb)
        {
            case ControlRequest.Statistics:
                return Encoding.UTF8.GetBytes($"{ExitReport.Format(vm.Statistics)}{"state",-36}{vm.State.ToString().ToLowerInvariant(),14}\n");
            case ControlRequest.State:
                return _saver.SaveState();
            case ControlRequest.Pause:
                vm.Pause();
                break;
            case ControlRequest.Resume:
                vm.Resume();
                break;
            case ControlRequest.Save:
                Save(vm, request);
                break;
            default:
                throw new MachineException($"'{request.Verb}' is nothing that this vmm can do for a running machine.");
        }

        return [];
    }

    private void Save(VirtualMachine vm, ControlRequest request)
    {
        bool ran = vm.State == VirtualMachineState.Running;
        if (!request.Stop)
        {
            _saver.Save(request.Path!, request.Incremental);
            return;
        }

        // Nothing may happen between the save and the end.
        vm.Pause();
        try
        {
            _saver.Save(request.Path!, request.Incremental);
        }
        catch when (ran)
        {
            vm.Resume();
            throw;
        }

        vm.Stop();
    }
}
