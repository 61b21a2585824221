using Vmm.Kernel.Plugins;
using Vmm.Machine.Configuration;

namespace Vmm.Machine.Boards;

/// <summary>
/// Sorts the options of a disk: those that its format does not know and its device does are the device's. The two need
/// no names apart from each other in configuration, and a name that both know means the format.
/// </summary>
internal sealed class DiskOptions(PluginHost plugins, DiskDescription disk)
{
    /// <summary>The options of the format and those of the device.</summary>
    /// <exception cref="MachineException">There is no such format or device, or neither knows an option.</exception>
    public (IOptionReader Format, IOptionReader Device) Split()
    {
        (bool all, IReadOnlyList<string> format) = Known(ContributionKind.BlockBackend, disk.Format);
        (_, IReadOnlyList<string> device) = Known(ContributionKind.Device, disk.Device);
        Dictionary<string, string> ofFormat = new(StringComparer.OrdinalIgnoreCase), ofDevice = new(StringComparer.OrdinalIgnoreCase);
        foreach (string key in disk.Options.Keys)
        {
            bool isDevices = !IsIn(format, key) && IsIn(device, key);
            if (!isDevices && !all && !IsIn(format, key))
            {
                throw Unknown(key, format, device);
            }

            (isDevices ? ofDevice : ofFormat)[key] = disk.Options.Find(key)!;
        }

        return (new ConfigurationOptions(disk.Options.Source, ofFormat), new ConfigurationOptions(disk.Options.Source, ofDevice));
    }

    // A binder that cannot list its options judges them itself.
    private (bool TakesAll, IReadOnlyList<string> Names) Known(ContributionKind kind, string type)
    {
        try
        {
            string[] names = [.. plugins.Options(plugins.Find(kind, type)).Select(option => option.Name)];
            return (names.Length == 0, names);
        }
        catch (PluginException e)
        {
            throw new MachineException($"{disk.Options.Source}: {e.Message}", e);
        }
    }

    // As options bind: without regard to case and hyphens, and to the number of an element of a list.
    private static bool IsIn(IReadOnlyList<string> names, string key) => names.Any(name => Plain(name) == Plain(key.Split(':')[0]));

    private static string Plain(string name) => name.Replace("-", "", StringComparison.Ordinal).ToUpperInvariant();

    private MachineException Unknown(string key, IReadOnlyList<string> format, IReadOnlyList<string> device)
    {
        string? nearest = NearestName.Find(key, [.. format, .. device]);
        string hint = nearest is null ? "" : $"; did you mean '{nearest}'?";
        return new MachineException(
            $"{disk.Options.Source}: option '{key}' is not known{hint} (of the format '{disk.Format}': {List(format)}; of the device '{disk.Device}': {List(device)})");
    }

    private static string List(IReadOnlyList<string> names) => names.Count == 0 ? "none" : string.Join(", ", names.Order(StringComparer.Ordinal));
}
