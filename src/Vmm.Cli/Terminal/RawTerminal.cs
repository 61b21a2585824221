using System.Runtime.InteropServices;

namespace Vmm.Cli.Terminal;

/// <summary>
/// The terminal in raw mode, so that every key goes to the guest, Ctrl-C too. It comes back as it was on every way out
/// that a process can see: disposal, an unhandled exception, exit, and signals (whose handlers end up in exit).
/// </summary>
internal sealed partial class RawTerminal : IDisposable
{
    private const int AfterOutput = 1; // TCSADRAIN

    /// <summary>More than struct termios has on any Linux; only the C library looks inside.</summary>
    private const int SettingsBytes = 128;

    private static readonly Lock Gate = new();
    private readonly byte[] _before = new byte[SettingsBytes];
    private readonly byte[] _raw = new byte[SettingsBytes];
    private readonly PosixSignalRegistration? _continued;
    private bool _restored;

    private RawTerminal()
    {
        AppDomain.CurrentDomain.ProcessExit += Restore;
        AppDomain.CurrentDomain.UnhandledException += Restore;

        // After a stop from outside the shell has set the terminal its own way.
        _continued = OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create(PosixSignal.SIGCONT, _ => Apply());
    }

    /// <summary>Whether the terminal is raw now: then a line needs a carriage return.</summary>
    public static bool IsActive { get; private set; }

    /// <summary>Makes the terminal raw when standard input is one.</summary>
    /// <returns>What restores it; null when standard input is no terminal.</returns>
    public static RawTerminal? Enter()
    {
        if (!FileDescriptor.IsTerminal(FileDescriptor.StandardInput))
        {
            return null;
        }

        byte[] settings = new byte[SettingsBytes];
        if (GetSettings(FileDescriptor.StandardInput, settings) != 0)
        {
            return null;
        }

        RawTerminal terminal = new();
        settings.CopyTo(terminal._before, 0);
        settings.CopyTo(terminal._raw, 0);
        MakeRaw(terminal._raw);
        terminal.Apply();
        return terminal;
    }

    public void Dispose()
    {
        Restore(null, EventArgs.Empty);
        _continued?.Dispose();
        AppDomain.CurrentDomain.ProcessExit -= Restore;
        AppDomain.CurrentDomain.UnhandledException -= Restore;
    }

    private void Apply()
    {
        lock (Gate)
        {
            if (!_restored)
            {
                _ = SetSettings(FileDescriptor.StandardInput, AfterOutput, _raw);
                IsActive = true;
            }
        }
    }

    private void Restore(object? sender, EventArgs e)
    {
        lock (Gate)
        {
            if (!_restored)
            {
                _restored = true;
                IsActive = false;
                _ = SetSettings(FileDescriptor.StandardInput, AfterOutput, _before);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int GetSettings(int descriptor, byte[] settings);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int SetSettings(int descriptor, int when, byte[] settings);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void MakeRaw(byte[] settings);
}
