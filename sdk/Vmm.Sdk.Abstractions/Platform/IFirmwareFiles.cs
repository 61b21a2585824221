namespace Vmm.Sdk;

/// <summary>
/// What the board tells its firmware, as named files in the formats that firmware for virtual machines expects
/// (<c>etc/e820</c>, <c>etc/acpi/tables</c>, …). A constructor parameter of the device that shows them to the guest.
/// </summary>
public interface IFirmwareFiles
{
    /// <summary>The files, none on a board without firmware. They never change.</summary>
    IReadOnlyList<FirmwareFile> Files { get; }
}

/// <summary>A file for the firmware.</summary>
/// <param name="Name">Its name: ASCII, 1 to 55 characters.</param>
/// <param name="Content">Its bytes.</param>
public sealed record FirmwareFile(string Name, ReadOnlyMemory<byte> Content);
