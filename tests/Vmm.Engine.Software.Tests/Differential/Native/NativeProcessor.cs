using System.Diagnostics;
using System.IO.MemoryMappedFiles;

namespace Vmm.Engine.Software.Tests.Differential.Native;

/// <summary>Runs cases on the host processor, in a process of its own: their faults are nothing to the runtime's signal handlers.</summary>
internal sealed unsafe class NativeProcessor : IDisposable
{
    /// <summary>Cases that one run can hold.</summary>
    public const int Capacity = 256;

    // On a busy machine cases with split locks take seconds: the kernel slows programs down that have them.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vmm-differential-");
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly Process _process;
    private readonly byte* _memory;

    public NativeProcessor()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException(HostProcessor.Obstacle);
        }

        const int Size = Capacity * CaseSlot.SlotSize;
        string program = Path.Combine(_folder.FullName, "cases");
        string shared = Path.Combine(_folder.FullName, "shared");
        File.WriteAllBytes(program, NativeProgram.Build(Size));
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _file = MemoryMappedFile.CreateFromFile(shared, FileMode.CreateNew, null, Size);
        _view = _file.CreateViewAccessor();
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _memory);
        _process = Process.Start(new ProcessStartInfo(program, [shared])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
    }

    /// <summary>One of the <see cref="Capacity"/> cases.</summary>
    public CaseSlot* Slot(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Capacity);
        return (CaseSlot*)(_memory + ((long)index * CaseSlot.SlotSize));
    }

    /// <summary>Runs the first <paramref name="count"/> cases; their results are in their slots.</summary>
    public void Run(int count)
    {
        _process.StandardInput.BaseStream.Write(BitConverter.GetBytes(count));
        _process.StandardInput.BaseStream.Flush();
        byte[] answer = new byte[4];
        using CancellationTokenSource deadline = new(Deadline);
        try
        {
            _process.StandardOutput.BaseStream.ReadExactlyAsync(answer, deadline.Token).AsTask().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is EndOfStreamException or OperationCanceledException)
        {
            throw new InvalidOperationException($"the native process {Ending()} while it ran {count} cases", e);
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.StandardInput.Close();
            if (!_process.WaitForExit(Deadline))
            {
                _process.Kill();
            }
        }

        _process.Dispose();
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
        _folder.Delete(recursive: true);
    }

    private string Ending() =>
        _process.WaitForExit(TimeSpan.FromSeconds(1)) ? $"ended with status {_process.ExitCode}" : "did not answer";
}
