namespace Vmm.Machine.Firmware;

/// <summary>The files of a board for the device that shows them.</summary>
internal sealed record FirmwareFiles(IReadOnlyList<FirmwareFile> Files) : IFirmwareFiles;
