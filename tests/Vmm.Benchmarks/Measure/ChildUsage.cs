using System.Runtime.InteropServices;

namespace Vmm.Benchmarks.Measure;

/// <summary>Processor time of ended child processes. Children run one after another, so a difference belongs to one.</summary>
internal static unsafe partial class ChildUsage
{
    private const int Children = -1;

    /// <summary>User and system time of all children that have been waited for.</summary>
    public static TimeSpan ProcessorTime
    {
        get
        {
            ResourceUsage usage;
            return GetResourceUsage(Children, &usage) == 0 ? usage.User.ToTimeSpan() + usage.System.ToTimeSpan() : TimeSpan.Zero;
        }
    }

    [LibraryImport("libc", EntryPoint = "getrusage")]
    private static partial int GetResourceUsage(int who, ResourceUsage* usage);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeValue
    {
        public long Seconds;
        public long Microseconds;

        public readonly TimeSpan ToTimeSpan() => TimeSpan.FromSeconds(Seconds) + TimeSpan.FromMicroseconds(Microseconds);
    }

    /// <summary>The fourteen numbers after the two times are of no interest here.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct ResourceUsage
    {
        public TimeValue User;
        public TimeValue System;
        public fixed long Others[14];
    }
}
