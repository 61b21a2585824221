using Vmm.Engine.Software.Decode;

namespace Vmm.Engine.Software.Memory;

/// <summary>
/// What the memory unit calls when an access is not for host memory. Called in the middle of an instruction, with RIP
/// that of the instruction. <see cref="Outcome.Next"/> means that the access is done and the instruction goes on; any
/// other outcome is what the instruction ends with.
/// </summary>
internal interface IMemoryExits
{
    /// <summary>Reads 1, 2, 4 or 8 bytes of device memory.</summary>
    Outcome DeviceRead(LogicalProcessor processor, ulong physical, ulong linear, int width, out ulong data);

    /// <summary>Writes 1, 2, 4 or 8 bytes of device memory (or of ROM).</summary>
    Outcome DeviceWrite(LogicalProcessor processor, ulong physical, ulong linear, int width, ulong data);

    /// <summary>An access that the EPT tables do not allow; the qualification is complete (SDM Vol. 3C table 28-7).</summary>
    Outcome EptViolation(LogicalProcessor processor, ulong physical, ulong linear, ulong qualification);

    /// <summary>An EPT entry with a reserved setting (SDM Vol. 3C 29.3.3.1).</summary>
    Outcome EptMisconfiguration(LogicalProcessor processor, ulong physical);
}
