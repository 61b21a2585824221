using System.Net.Sockets;
using Vmm.Machine;

namespace Vmm.Cli.Control;

/// <summary>
/// Where running VMs listen: <c>$XDG_RUNTIME_DIR/vmm</c>, else <c>run</c> in the user's cache folder; nobody else may
/// enter. For each VM a socket and a lock file, which the process holds for as long as it lives: a socket whose lock is
/// free is one that a process left behind.
/// </summary>
internal sealed class RuntimeFolder
{
    private const string SocketSuffix = ".sock", LockSuffix = ".lock";
    private const int LongestName = 40;

    private readonly string _path;

    private RuntimeFolder(string path) => _path = path;

    /// <summary>The folder of this user; made when it is not there.</summary>
    /// <exception cref="MachineException">It cannot be made, or others may enter it.</exception>
    public static RuntimeFolder OfUser()
    {
        string path = Locate();
        try
        {
            DirectoryInfo folder = Directory.CreateDirectory(path);
            if (!OperatingSystem.IsWindows())
            {
                folder.UnixFileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            }

            return new RuntimeFolder(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new MachineException($"{path}: running machines cannot be reached there: {e.Message}", e);
        }
    }

    /// <summary>Whether a name can be one of a VM.</summary>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= LongestName && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') && name[0] != '.';

    /// <summary>Path of the socket of a VM.</summary>
    public string SocketOf(string name) => Path.Combine(_path, name + SocketSuffix);

    /// <summary>Takes a name for this process.</summary>
    /// <returns>What holds it until disposed of; null when a running VM has it.</returns>
    public FileStream? TryTake(string name)
    {
        try
        {
            FileStream held = new(LockOf(name), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            File.Delete(SocketOf(name));
            return held;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Gives a name back.</summary>
    public void Release(string name, FileStream held)
    {
        File.Delete(SocketOf(name));
        File.Delete(LockOf(name));
        held.Dispose();
    }

    /// <summary>Names of the VMs that run; what dead ones left behind is removed.</summary>
    public IReadOnlyList<string> Running()
    {
        List<string> running = [];
        foreach (string socket in Directory.EnumerateFiles(_path, "*" + SocketSuffix))
        {
            string name = Path.GetFileNameWithoutExtension(socket);
            if (TryTake(name) is { } held)
            {
                Release(name, held);
            }
            else
            {
                running.Add(name);
            }
        }

        running.Sort(StringComparer.Ordinal);
        return running;
    }

    /// <summary>Connects to a VM.</summary>
    /// <exception cref="MachineException">There is none of that name; the message has those that run.</exception>
    public Socket Connect(string name)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            if (IsName(name) && Running().Contains(name))
            {
                socket.Connect(new UnixDomainSocketEndPoint(SocketOf(name)));
                return socket;
            }
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new MachineException($"The machine '{name}' does not answer: {e.Message}", e);
        }

        socket.Dispose();
        throw new MachineException($"No machine '{name}' is running. {Describe(Running())}");
    }

    /// <summary>A sentence that lists VMs.</summary>
    public static string Describe(IReadOnlyList<string> names) => names.Count == 0 ? "None is." : $"Running: {string.Join(", ", names)}.";

    private static string Locate()
    {
        string? runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        if (!string.IsNullOrEmpty(runtime) && Directory.Exists(runtime))
        {
            return Path.Combine(runtime, "vmm");
        }

        string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        return string.IsNullOrEmpty(cache)
            ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), ".cache", "vmm", "run")
            : Path.Combine(cache, "vmm", "run");
    }

    private string LockOf(string name) => Path.Combine(_path, name + LockSuffix);
}
