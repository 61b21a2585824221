using System.Buffers.Binary;
using System.Text;

namespace Vmm.Machine.Boot;

/// <summary>Guest memory as a boot protocol writes it: a place that is not RAM is an error with a name.</summary>
internal readonly struct BootMemory(IGuestMemory memory)
{
    public void Write(string what, ulong address, ReadOnlySpan<byte> bytes)
    {
        if (!bytes.IsEmpty && !memory.TryWrite(address, bytes))
        {
            throw new MachineException($"{what}: {bytes.Length:N0} bytes at 0x{address:x} lie outside RAM; give the machine more memory (--memory).");
        }
    }

    /// <summary>Writes zeros, as for the BSS of a kernel.</summary>
    public void Clear(string what, ulong address, ulong length)
    {
        Span<byte> zeros = stackalloc byte[4096];
        zeros.Clear();
        for (ulong done = 0; done < length;)
        {
            int part = (int)Math.Min(length - done, (ulong)zeros.Length);
            Write(what, address + done, zeros[..part]);
            done += (ulong)part;
        }
    }

    /// <summary>Writes a zero-terminated string.</summary>
    public void WriteText(string what, ulong address, string text) =>
        Write(what, address, [.. Encoding.UTF8.GetBytes(text), 0]);

    public void WriteWords(string what, ulong address, params ReadOnlySpan<ulong> words)
    {
        byte[] bytes = new byte[words.Length * 8];
        for (int i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * 8), words[i]);
        }

        Write(what, address, bytes);
    }
}
