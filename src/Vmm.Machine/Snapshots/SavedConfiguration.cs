using System.Text;
using System.Text.Json;
using Vmm.Kernel;

namespace Vmm.Machine.Snapshots;

/// <summary>
/// The section of a saved machine that says what the machine is: a machine file in JSON, and for an incremental one the
/// file that it goes on from.
/// </summary>
/// <param name="Settings">Every key with its value.</param>
/// <param name="BaseFile">Path of the base, relative to the file itself; empty for none.</param>
public sealed record SavedConfiguration(IReadOnlyDictionary<string, string> Settings, string BaseFile)
{
    /// <summary>Path of the section.</summary>
    public const string Path = "configuration";

    /// <summary>Its schema.</summary>
    public const string Schema = "machine.configuration";

    private const int Version = 1, MachineFileField = 1, BaseFileField = 2;
    private const int MaximumLength = 1 << 20;

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true };

    /// <summary>The machine file. Keys are whole paths, because a key may have a value and a group at once.</summary>
    public string MachineFile =>
        JsonSerializer.Serialize(Settings.OrderBy(pair => pair.Key, StringComparer.Ordinal).ToDictionary(pair => pair.Key, pair => pair.Value), Readable);

    /// <summary>Writes the section.</summary>
    public StateSection ToSection()
    {
        StateWriter writer = new();
        writer.Bytes(MachineFileField, Encoding.UTF8.GetBytes(MachineFile));
        if (BaseFile.Length != 0)
        {
            writer.Bytes(BaseFileField, Encoding.UTF8.GetBytes(BaseFile));
        }

        return new StateSection(Path, Schema, "machine", Version, writer.ToArray());
    }

    /// <summary>Reads the section.</summary>
    /// <param name="section">The section.</param>
    /// <exception cref="StateException">It is of another version, or damaged.</exception>
    public static SavedConfiguration From(StateSection section)
    {
        if (section.Schema != Schema || section.Version != Version)
        {
            throw new StateException($"{section.Path}: it has version {section.Version} of '{section.Schema}'; this vmm reads version {Version} of '{Schema}'.");
        }

        StateReader reader = new(section.Content, section.Version, section.Path);
        ReadOnlyMemory<byte> text = reader.Bytes(MachineFileField, MaximumLength);
        string baseFile = Encoding.UTF8.GetString(reader.Bytes(BaseFileField, MaximumLength).Span);
        reader.RequireAllRead();
        try
        {
            Dictionary<string, string> settings = new(StringComparer.OrdinalIgnoreCase);
            using JsonDocument document = JsonDocument.Parse(text);
            Flatten(document.RootElement, "", settings);
            return new SavedConfiguration(settings, baseFile);
        }
        catch (JsonException e)
        {
            throw new StateException($"{section.Path}: the machine file in it is not valid JSON: {e.Message}");
        }
    }

    private static void Flatten(JsonElement element, string path, Dictionary<string, string> settings)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            settings[path] = element.ToString();
            return;
        }

        foreach (JsonProperty property in element.EnumerateObject())
        {
            Flatten(property.Value, path.Length == 0 ? property.Name : $"{path}:{property.Name}", settings);
        }
    }
}
