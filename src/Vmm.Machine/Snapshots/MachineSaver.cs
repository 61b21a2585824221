using Vmm.Kernel;
using Vmm.Machine.Boards;

namespace Vmm.Machine.Snapshots;

/// <summary>Saves a machine that runs or is paused; callable from one thread at a time.</summary>
/// <param name="machine">The machine.</param>
public sealed class MachineSaver(AssembledMachine machine)
{
    private (Guid Identity, string Path)? _last;

    /// <summary>Saves the machine into a file, which is there as a whole or not at all. The guest stands still meanwhile.</summary>
    /// <param name="path">The file; replaced when it exists.</param>
    /// <param name="incremental">
    /// Whether only memory that was written since the last save goes into the file, which then needs the last one. The
    /// first of a series has all of the memory, and from it on writes are noted.
    /// </param>
    /// <exception cref="MachineException">The machine cannot be saved, or the file cannot be written.</exception>
    public void Save(string path, bool incremental = false)
    {
        path = Path.GetFullPath(path);
        if (incremental && _last?.Path == path)
        {
            throw new MachineException($"{path}: an incremental save goes on from this very file; name another one.");
        }

        string unfinished = path + ".unfinished";
        try
        {
            machine.VirtualMachine.WhileQuiet(() =>
            {
                Write(path, unfinished, incremental);
                return true;
            });
        }
        catch (Exception e) when (e is StateException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            _last = null;
            Discard(unfinished);
            throw new MachineException(e is StateException or InvalidOperationException ? e.Message : $"{path}: the machine cannot be saved there: {e.Message}", e);
        }
    }

    /// <summary>The state without guest memory, as a container that <see cref="SnapshotReader"/> reads.</summary>
    /// <exception cref="MachineException">The machine cannot be saved.</exception>
    public byte[] SaveState()
    {
        try
        {
            IReadOnlyList<StateSection> sections = machine.VirtualMachine.WhileQuiet(machine.VirtualMachine.SaveState);
            using MemoryStream container = new();
            SnapshotWriter.Write(container, Guid.NewGuid(), [Configuration(""), .. sections]);
            return container.ToArray();
        }
        catch (Exception e) when (e is StateException or InvalidOperationException)
        {
            throw new MachineException(e.Message, e);
        }
    }

    private void Write(string path, string unfinished, bool incremental)
    {
        // What cannot be saved is told before anything is written.
        GuestMemory memory = machine.VirtualMachine.Memory;
        IReadOnlyList<StateSection> sections = machine.VirtualMachine.SaveState();
        SnapshotBase? basis = incremental && _last is { } last ? new SnapshotBase(last.Identity, memory.TakeDirtyPages()) : null;
        if (basis is null && incremental)
        {
            _ = memory.TakeDirtyPages();
        }

        var identity = Guid.NewGuid();
        string baseFile = basis is null ? "" : Path.GetRelativePath(Path.GetDirectoryName(path)!, _last!.Value.Path);
        FileStreamOptions options = new() { Mode = FileMode.Create, Access = FileAccess.Write, BufferSize = 1 << 16 };
        if (!OperatingSystem.IsWindows())
        {
            // Guest memory may hold what only its owner may read.
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (FileStream file = new(unfinished, options))
        {
            SnapshotWriter.Write(file, identity, [Configuration(baseFile), .. sections], memory, basis);
            file.Flush(flushToDisk: true);
        }

        File.Move(unfinished, path, overwrite: true);
        _last = incremental ? (identity, path) : null;
    }

    private StateSection Configuration(string baseFile) =>
        new SavedConfiguration(machine.Description.Settings.ToDictionary(pair => pair.Key, pair => IsFile(pair.Key) ? Path.GetFullPath(pair.Value) : pair.Value), baseFile).ToSection();

    // The machine may be restored from another folder than it was started in.
    private static bool IsFile(string key) => key.ToLowerInvariant().Split(':') is ["kernel" or "firmware"] or ["initrd" or "plugins"] or ["initrd" or "plugins", _] or ["disks", _, "path"];

    private static void Discard(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The reason why it could not be written says more.
        }
    }
}
