using System.Buffers.Binary;
using System.Text.Json;
using Vmm.Machine;

namespace Vmm.Cli.Control;

/// <summary>What a command asks of a running VM.</summary>
/// <param name="Verb">One of the constants.</param>
/// <param name="Path">For <see cref="Save"/>: the file, as an absolute path.</param>
/// <param name="Incremental">For <see cref="Save"/>: only what changed since the last one.</param>
/// <param name="Stop">For <see cref="Save"/>: end the VM when it is saved.</param>
internal sealed record ControlRequest(string Verb, string? Path = null, bool Incremental = false, bool Stop = false)
{
    public const string Statistics = "stat";
    public const string State = "state";
    public const string Pause = "pause";
    public const string Resume = "resume";
    public const string Save = "save";
}

/// <summary>What the VM answers.</summary>
/// <param name="Problem">Why it did not do it; null when it did.</param>
/// <param name="Content">Text or a container of state.</param>
internal sealed record ControlReply(string? Problem, byte[] Content);

/// <summary>Messages on the socket of a VM: 32 bits of length and JSON.</summary>
internal static class ControlMessage
{
    private const int MaximumLength = 512 << 20;

    public static void Write<T>(Stream to, T message)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(message);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, json.Length);
        to.Write(length);
        to.Write(json);
        to.Flush();
    }

    /// <summary>Reads a message.</summary>
    /// <param name="from">The connection.</param>
    /// <param name="maximum">Greatest length in bytes.</param>
    /// <exception cref="MachineException">The other side ended, or says something else.</exception>
    public static T Read<T>(Stream from, int maximum = MaximumLength)
    {
        try
        {
            Span<byte> header = stackalloc byte[4];
            from.ReadExactly(header);
            int length = BinaryPrimitives.ReadInt32LittleEndian(header);
            if (length < 0 || length > maximum)
            {
                throw new MachineException($"a message of {length:N0} bytes is none of vmm's");
            }

            byte[] json = new byte[length];
            from.ReadExactly(json);
            return JsonSerializer.Deserialize<T>(json) ?? throw new MachineException("an empty message is none of vmm's");
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            throw new MachineException($"The machine ended the conversation: {e.Message}", e);
        }
    }
}
