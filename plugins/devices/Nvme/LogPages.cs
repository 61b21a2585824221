using System.Text;
using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>Log page identifiers (NVMe 1.4, figure 191).</summary>
internal enum LogPage : byte
{
    Error = 0x01,
    Health = 0x02,
    FirmwareSlot = 0x03,
}

/// <summary>What Get Log Page gives (NVMe 1.4, 5.14).</summary>
internal sealed class LogPages(IVirtualClock clock, FeatureSet features)
{
    private const long NanosecondsPerHour = 3_600L * 1_000_000_000;

    public ErrorLog Errors { get; } = new();

    public HealthLog Health { get; } = new();

    /// <summary>The content of a page, or null when there is none.</summary>
    public byte[]? Find(LogPage page)
    {
        switch (page)
        {
            case LogPage.Error:
                byte[] errors = new byte[ErrorLog.Entries * ErrorLog.EntryLength];
                Errors.Write(errors);
                return errors;
            case LogPage.Health:
                byte[] health = new byte[HealthLog.Length];
                Health.Write(health, features.TemperatureOutOfRange, (ulong)(clock.NowNanoseconds / NanosecondsPerHour), Errors.Count);
                return health;
            case LogPage.FirmwareSlot:
                byte[] firmware = new byte[512];
                firmware[0] = 1; // AFI: slot 1 is active.
                firmware.AsSpan(8, 8).Fill((byte)' ');
                Encoding.ASCII.GetBytes(IdentifyData.Firmware, firmware.AsSpan(8));
                return firmware;
            default:
                return null;
        }
    }
}
