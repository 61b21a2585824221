using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Vmm.Kernel;
using Vmm.Machine.Snapshots;

namespace Vmm.Cli.Commands;

/// <summary>State for people and for programs. Fields of plugins have numbers, those of the kernel have names too.</summary>
internal static class StateText
{
    private const int MostBytesShown = 32;

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true };

    /// <summary>One line a field.</summary>
    public static string Plain(SnapshotReader reader, IEnumerable<StateSection> sections)
    {
        StringBuilder text = new($"container version {reader.ContainerVersion}, identity {reader.Identity}{(reader.Base == Guid.Empty ? "" : $", goes on from {reader.Base}")}, {(reader.HasMemory ? "with" : "without")} memory\n");
        foreach (StateSection section in sections)
        {
            text.Append($"\n{section.Path}  ({section.Schema} version {section.Version}, plugin {(section.Plugin.Length == 0 ? "none" : section.Plugin)}, {section.Content.Length:N0} bytes)\n");
            if (section.Schema == SavedConfiguration.Schema)
            {
                text.Append(SavedConfiguration.From(section).MachineFile.ReplaceLineEndings("\n")).Append('\n');
                continue;
            }

            AppendFields(text, section.Schema, new StateReader(section.Content, section.Version, section.Path), [], "");
        }

        return text.ToString();
    }

    /// <summary>An object with everything.</summary>
    public static string Json(SnapshotReader reader, IEnumerable<StateSection> sections)
    {
        JsonObject root = new()
        {
            ["containerVersion"] = reader.ContainerVersion,
            ["identity"] = reader.Identity,
            ["base"] = reader.Base == Guid.Empty ? null : JsonValue.Create(reader.Base),
            ["hasMemory"] = reader.HasMemory,
            ["sections"] = new JsonArray([.. sections.Select(section => (JsonNode)new JsonObject
            {
                ["path"] = section.Path,
                ["schema"] = section.Schema,
                ["plugin"] = section.Plugin,
                ["version"] = section.Version,
                ["fields"] = section.Schema == SavedConfiguration.Schema
                    ? JsonNode.Parse(SavedConfiguration.From(section).MachineFile)
                    : Fields(section.Schema, new StateReader(section.Content, section.Version, section.Path), []),
            })]),
        };
        return root.ToJsonString(Readable).ReplaceLineEndings("\n") + "\n";
    }

    private static void AppendFields(StringBuilder text, string schema, StateReader reader, int[] path, string prefix)
    {
        foreach (StateField field in reader.Fields)
        {
            int[] here = [.. path, field.Number];
            string name = prefix + KernelSchemas.FieldName(schema, here);
            if (field.Kind == StateFieldKind.Section)
            {
                AppendFields(text, schema, reader.Section(field.Number)!, here, name + ".");
            }
            else
            {
                text.Append($"  {name} = {(field.Kind == StateFieldKind.Bytes ? Bytes(field, IsText(schema, here)) : $"0x{Number(field):x}")}\n");
            }
        }
    }

    private static JsonObject Fields(string schema, StateReader reader, int[] path)
    {
        JsonObject fields = [];
        foreach (StateField field in reader.Fields)
        {
            int[] here = [.. path, field.Number];
            fields[KernelSchemas.FieldName(schema, here)] = field.Kind switch
            {
                StateFieldKind.Section => Fields(schema, reader.Section(field.Number)!, here),
                StateFieldKind.Bytes => IsText(schema, here) ? Encoding.UTF8.GetString(field.Value.Span) : Convert.ToHexStringLower(field.Value.Span),
                _ => Number(field),
            };
        }

        return fields;
    }

    private static bool IsText(string schema, int[] path) => KernelSchemas.FieldName(schema, path) == "Name";

    private static string Bytes(StateField field, bool isText)
    {
        ReadOnlySpan<byte> bytes = field.Value.Span;
        return isText ? $"'{Encoding.UTF8.GetString(bytes)}'"
            : bytes.IndexOfAnyExcept((byte)0) < 0 && bytes.Length > MostBytesShown ? $"{bytes.Length:N0} bytes, all zero"
            : bytes.Length <= MostBytesShown ? Convert.ToHexStringLower(bytes)
            : $"{Convert.ToHexStringLower(bytes[..MostBytesShown])}… ({bytes.Length:N0} bytes)";
    }

    private static ulong Number(StateField field)
    {
        Span<byte> wide = stackalloc byte[sizeof(ulong)];
        wide.Clear();
        field.Value.Span.CopyTo(wide);
        return BinaryPrimitives.ReadUInt64LittleEndian(wide);
    }
}
