namespace Vmm.Engine.Software.Segmentation;

/// <summary>A task switch to be made (SDM Vol. 3A 8.3).</summary>
/// <param name="Selector">Of the new TSS.</param>
/// <param name="Source">What asks for it.</param>
internal readonly record struct TaskSwitchRequest(ushort Selector, TaskSwitchSource Source)
{
    /// <summary>EIP that the old task saves.</summary>
    public ulong ReturnAddress { get; init; }

    /// <summary>EXT bit of error codes.</summary>
    public uint External { get; init; }

    /// <summary>Whether <see cref="ErrorCode"/> goes on the new task's stack.</summary>
    public bool HasErrorCode { get; init; }

    public uint ErrorCode { get; init; }

    /// <summary>The new task gets a link to the old one, and NT.</summary>
    public bool IsNested => Source is TaskSwitchSource.Call or TaskSwitchSource.TaskGateInIdt;
}
