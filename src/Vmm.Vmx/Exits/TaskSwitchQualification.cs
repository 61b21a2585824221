namespace Vmm.Vmx;

/// <summary>Exit qualification of task switches (SDM Vol. 3C 28.2.1, table 28-2).</summary>
/// <param name="Value">The qualification.</param>
public readonly record struct TaskSwitchQualification(ulong Value)
{
    /// <summary>Encodes a task switch.</summary>
    public static TaskSwitchQualification Create(ushort tssSelector, TaskSwitchSource source) => new(tssSelector | (ulong)source << 30);

    /// <summary>Selector of the TSS that the guest wanted to switch to.</summary>
    public ushort TssSelector => (ushort)Value;

    /// <summary>What started the switch.</summary>
    public TaskSwitchSource Source => (TaskSwitchSource)(Value >> 30 & 3);

    public override string ToString() => $"{Source} to TSS 0x{TssSelector:X4}";
}

/// <summary>What starts a task switch.</summary>
public enum TaskSwitchSource
{
    Call = 0,
    Iret = 1,
    Jmp = 2,
    TaskGateInIdt = 3,
}
